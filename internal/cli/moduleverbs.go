package cli

var moduleVerbs = []verb{
	{
		use: "install NAME|PATH|URL…", aliases: []string{"module:install"}, short: "Install a package of npm, and run it as a module", least: 1, most: -1,
		topics: []topic{installing, general}, run: runInstall,
		long: `A module is an app that comes as a package: npm puts what is named (a name, with
@version or not; a folder, a tarball, a repository of git) into the home, and its
package.json says what runs: apps, as in a configuration file, else bin, else main.
What it has as config is stored for it where nothing is stored yet, and given to
it as variables; tend set changes that. Installed again, it is updated; if the
new one does not come up, the former one is back.

Modules start with each daemon, have a table of their own in tend ls, and are not
meant by "all". With . the package of this folder runs where it is, and again
when a file changes. Modules that ask PM2 itself, as pm2-logrotate does, need the
daemon of that name: pm2 install.`,
		example: `tend install my-module
tend install ./my-module --safe
tend install .`,
	},
	{
		use: "module:update NAME…", short: "Install a module again, from where it came", least: 1, most: -1,
		topics: []topic{installing, general}, run: runModuleUpdate,
		example: `tend module:update my-module`,
	},
	{
		use: "uninstall NAME|all…", aliases: []string{"module:uninstall"}, short: "Delete a module", least: 1, most: -1,
		topics: []topic{general}, run: runUninstall,
		long:    "Its processes and its folder. What set stored for it stays.",
		example: `tend uninstall my-module`,
	},
	{
		use: "set KEY [VALUE]", short: "Store a value for a module or an app", least: 1, most: 2,
		topics: []topic{general}, run: pm2Set,
		long: `NAME:KEY is a value of the module or app NAME, which gets it as the variable KEY
and is restarted.`,
		example: `tend set my-module:days 9`,
	},
	{
		use: "multiset \"KEY VALUE…\"", short: "Store several values", least: 1, most: -1,
		topics: []topic{general}, run: pm2Multiset,
		example: `tend multiset "my-module:days 9 my-module:size 10M"`,
	},
	{
		use: "get [KEY]", aliases: []string{"conf", "config"}, short: "Print a stored value, or all", most: 1,
		topics: []topic{general}, run: pm2Get, asks: true,
		example: `tend conf
tend get my-module:days`,
	},
	{
		use: "unset KEY|all", short: "Forget a stored value", least: 1, most: 1,
		topics: []topic{general}, run: pm2Unset,
		example: `tend unset my-module:days`,
	},
}
