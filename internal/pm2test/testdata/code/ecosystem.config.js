const live = {
  user: "ann", host: "h1", port: "22", ref: "origin/main", repo: process.env.DIR + "/origin.git", path: process.env.DIR + "/srv",
  "pre-setup": "echo setup", "post-deploy": "echo $A $(pwd) >>$DIR/post", env: { A: "a" },
};
module.exports = {
  apps: [{ name: "web", script: "rec.js" }],
  deploy: { live, noref: { ...live, ref: undefined }, failing: { ...live, "pre-deploy": "exit 7" } },
};
