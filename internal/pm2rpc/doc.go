// Package pm2rpc answers PM2's JavaScript API: require('pm2') from npm, unmodified,
// reaches the daemon by the sockets of requests and events that it looks for in a
// PM2 home. Each connection is served for its own sake: with nobody connected
// nothing here runs.
package pm2rpc
