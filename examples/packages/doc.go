// Package packages holds the programs of docs/packages.md, one for each package.
package packages
