package runner

/*
One life, from Spawn to its last report:

	Spawn ─► logs opened, channel made ─► primary told (cluster) ─► child.Start
	      ◄─ Spawned                    or ◄─ SpawnFailed, the end
	      ◄─ Online, Listening, Ready, Message, Leaving, Disconnected …
	exit  ─► what is readable now is read: 2 ms at most
	      ◄─ Exited                       a successor may start at once
	      ─► the rest of the tree: its grace if it was terminated, then SIGKILL
	      ─► pipes and channel to their end, a second at most
	      ◄─ Gone

Each life has one goroutine that does all this; one more reads the channels of
all lives in fork mode, and the primary's those of clusters. All facts of a life pass through its mailbox, so they arrive in
order whoever told them; nothing is held while they are handed on.
*/
