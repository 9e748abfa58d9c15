package cli

// codeVerbs bring code to where it runs.
var codeVerbs = []verb{
	{
		use: "pull NAME|ID [COMMIT]", short: "Take an app's checkout of git to the latest commit, and reload it", least: 1, most: 2,
		topics: []topic{acting, general}, run: moving(pulled),
		long: `The folder of the app becomes the latest commit of the branch that it follows in
its remote, or COMMIT. Then what the app has as post_update in the folder's
configuration file is carried out there, and the app is reloaded. If any of it
fails, the app runs on as it was.

A folder with changes that are committed nowhere else is refused; --force discards
them.`,
		example: `tend pull web
tend pull web 3f2c1a9`,
	},
	{
		use: "backward NAME|ID", short: "Take an app's checkout of git one commit back, and reload it", least: 1, most: 1,
		topics: []topic{acting, general}, run: moving(previous),
		long:    "As pull, to the commit before.",
		example: `tend backward web`,
	},
	{
		use: "forward NAME|ID", short: "Take an app's checkout of git one commit on, and reload it", least: 1, most: 1,
		topics: []topic{acting, general}, run: moving(next),
		long:    "As pull, to the commit that follows, of those that are fetched already.",
		example: `tend forward web`,
	},
	{
		use: "deploy [FILE] ENVIRONMENT [WORD…]", short: "Bring the code of a repository to other machines, by ssh", least: 1, most: -1,
		topics: []topic{acting, general}, run: runDeploy,
		long: `The section deploy of FILE (ecosystem.config.js or the like) says for each
environment what and whereto: host (a name, or a list), user, port, key, ssh_options;
repo, ref (origin/main, a tag), path; and the commands pre-setup, post-setup,
pre-deploy-local, pre-deploy, post-deploy, the last with the variables of env.

setup             make PATH/source, PATH/shared, PATH/current, and clone the repository
                  (a WORD that is none of these: deploy that branch, tag or commit)
update            deploy ref; the same without a WORD
revert [N]        deploy what was deployed N deployments before
curr, prev, list  what is deployed, what was before, all since setup
exec COMMAND      carry a command out in PATH/current

The hosts get one after the other, and the first failure ends it. They need git, and
what post-deploy calls: tend startOrRestart of the file where it says nothing else.
ssh is the machine's own, and has no terminal to ask in: keys come from an agent, the
host must be known. What is not committed and pushed is refused, unless --force.`,
		example: `tend deploy production setup
tend deploy ecosystem.config.js production
tend deploy production v1.4.0
tend deploy production revert 1
tend deploy production exec "tend ls"`,
	},
}

var pm2CodeVerbs = []verb{
	{
		use: "pull NAME|ID [COMMIT]", short: "take an app's checkout of git to the latest commit, and reload it", least: 1, most: -1,
		topics: []topic{general}, run: moving(pulled),
	},
	{
		use: "forward NAME|ID", short: "take it one commit on", least: 1, most: -1,
		topics: []topic{general}, run: moving(next),
	},
	{
		use: "backward NAME|ID", short: "take it one commit back", least: 1, most: -1,
		topics: []topic{general}, run: moving(previous),
	},
	{
		use: "deploy [FILE] ENVIRONMENT [WORD…]", short: "bring the code of a repository to other machines, by ssh", least: 1, most: -1,
		topics: []topic{acting, general}, run: runDeploy,
	},
}
