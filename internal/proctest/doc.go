// Package proctest holds what tests of processes share: the test binary playing
// the child, the Node versions at hand, and the count of what a test run left
// behind. No product code imports it.
//
// A package that owns descriptors, processes or goroutines has
//
//	func TestMain(m *testing.M) {
//		proctest.Main(m,
//			proctest.Role{Name: "echo", Run: echo},
//		)
//	}
//
// and starts its own binary in that role with [Command], or with [Self] and
// [RoleEnv] where it spawns by other means.
package proctest
