package spec

// Entry is what [Select] sees of an instance.
type Entry struct {
	ID        int
	Name      string // of its app
	Namespace string
	Script    string // absolute path
}

// Select returns the ids of the entries that target names, in the order of
// list, and a NotFound fault when there is none. In this order target is:
// "all"; "/regex/" over names; for a word, a name or the path of a script
// (relative to cwd), else a namespace; for a number, a name, else a namespace,
// else an id.
func Select(list []Entry, target, cwd string) ([]int, error) { return nil, nil }

// Known returns the ids that the word of a start command names among what is
// known already: by name, else by namespace (words without a slash and an
// extension), else by id. None means that the word is a script or a program.
func Known(list []Entry, word string) []int { return nil }
