package limits

import "fmt"

// What a run opens beside its connections to hosts: its output, state, lock and marker, the Admin API, SQL Server, a KDC, and
// the runtime's own.
const beside = 40

// Room is how many hosts a run may be connected with.
type Room struct {
	Hosts    int  // that it looks at
	Parallel int  // at once
	Stay     bool // all stay connected
}

// need is how many open files it takes, about: a host that is being connected may ask for its name at the same time.
func (r Room) need() uint64 {
	open := r.Parallel
	if r.Stay {
		open = r.Hosts
	}
	return uint64(min(r.Hosts, open) + min(r.Hosts, r.Parallel) + beside)
}

// Within is how many hosts may be worked on at once so that the run keeps within this many open files: no more than wanted. It
// is an error where even one would be too many.
func (r Room) Within(files uint64) (parallel int, err error) {
	fewer := r
	for fewer.Parallel > 1 && fewer.need() > files {
		fewer.Parallel--
	}
	if fewer.need() > files {
		return 0, r.Fits(files)
	}
	return fewer.Parallel, nil
}

// Fits is an error where it does not keep within this many open files.
func (r Room) Fits(files uint64) error {
	if need := r.need(); need > files {
		return &roomError{room: r, most: files, need: need}
	}
	return nil
}

// roomError is a run that this machine has no room for.
type roomError struct {
	room       Room
	most, need uint64
}

func (e *roomError) Error() string {
	return fmt.Sprintf("this machine allows %d open files, and %d hosts at once need about %d; nothing was contacted", e.most, e.room.Hosts, e.need)
}

func (e *roomError) Hint() string {
	return fmt.Sprintf("raise the limit on open files to %d or more (`ulimit -n %d`, where `ulimit -Hn` allows it; LimitNOFILE= of a systemd unit; --ulimit nofile= of a container)", e.need, e.need)
}
