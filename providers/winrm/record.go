package winrm

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"
	"github.com/gofrs/uuid"
)

// Record is where a process writes down the shells that it makes, so that those of one that was killed can be deleted when a host
// has no room for more. A process holds a lock on its own record for as long as it lives, whatever ends it: who gets that lock knows
// for sure that the shells in it are nobody's. Those of other machines and other people are in no record here.
//
// Their names are all that is needed: a user may delete the shells that he has made (Microsoft Learn, "Remote Shell
// Infrastructure Improvements"), and a name that the host does not know does no harm.
//
// What cannot be written is left to the host, which ends an unused shell after a while. A nil Record keeps nothing.
type Record struct {
	Dir string // where the records of this user's processes are; it is made if need be

	mu     sync.Mutex
	tried  bool
	lock   *flock.Flock
	file   *os.File
	shells map[string]bool // that were made and are not known to have ended
}

const (
	recordSuffix, lockSuffix = ".shells", ".lock"
	// longest is after how long an unused shell is taken for ended: by Windows' own setting that is 2 hours (winrm/config/winrs,
	// IdleTimeout), and where both that and the waits of a run are longer, more.
	longest = 24 * time.Hour
	// A line is a sign, an address and the name of a shell there.
	madeSign, endedSign = "+", "-"
)

// made notes a shell before it is asked for.
func (r *Record) made(address, id string) { r.note(madeSign, address, id) }

// ended notes that a shell is no more.
func (r *Record) ended(address, id string) { r.note(endedSign, address, id) }

func (r *Record) note(sign, address, id string) {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.tried {
		r.tried = true
		r.open()
	}
	if r.file == nil {
		return
	}
	_, _ = r.file.WriteString(sign + " " + address + " " + id + "\n")
	if delete(r.shells, id); sign == madeSign {
		r.shells[id] = true
	}
}

// open begins this process's own record. The lock comes first: a record without one is of a process that is dead.
func (r *Record) open() {
	id, err := uuid.NewV4()
	if err != nil || os.MkdirAll(r.Dir, 0o700) != nil {
		return
	}
	r.sweep()
	path := filepath.Join(r.Dir, id.String())
	lock := flock.New(path + lockSuffix)
	if got, err := lock.TryLock(); err != nil || !got {
		return
	}
	if r.file, err = os.OpenFile(path+recordSuffix, os.O_CREATE|os.O_EXCL|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		r.file = nil
		_ = lock.Close()
		_ = os.Remove(path + lockSuffix)
		return
	}
	r.lock, r.shells = lock, map[string]bool{}
}

// Close says that this process makes no more shells. What it could not delete stays in its record.
func (r *Record) Close() {
	if r == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.tried = true
	if r.file == nil {
		return
	}
	_ = r.file.Close()
	if len(r.shells) == 0 {
		_ = os.Remove(r.file.Name())
	}
	_ = r.lock.Close()
	if len(r.shells) == 0 {
		_ = os.Remove(r.lock.Path())
	}
	r.file = nil
}

// free ends one shell that a dead process has left at the address, the oldest first: what may still be at work there is the
// youngest. Ended says whether the host had it.
func (r *Record) free(address string, end func(id string) (ended bool, err error)) bool {
	freed := false
	r.dead(func(path string, _ time.Time) (more bool) {
		file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return true
		}
		defer file.Close()
		for _, id := range left(path, address) {
			if freed, err = end(id); err != nil {
				return false
			}
			_, _ = fmt.Fprintln(file, endedSign, address, id)
			if freed {
				return false
			}
		}
		return true
	})
	return freed
}

// sweep removes the records of shells that the hosts have ended themselves.
func (r *Record) sweep() {
	r.dead(func(path string, written time.Time) bool {
		if time.Since(written) > longest {
			_ = os.Remove(path)
		}
		return true
	})
}

// dead visits the records of processes that are dead, the oldest first, holding the lock of each.
func (r *Record) dead(visit func(path string, written time.Time) (more bool)) {
	if r == nil {
		return
	}
	entries, _ := os.ReadDir(r.Dir)
	var records []os.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() && strings.HasSuffix(e.Name(), recordSuffix) {
			records = append(records, info)
		}
	}
	slices.SortStableFunc(records, func(a, b os.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, info := range records {
		path := filepath.Join(r.Dir, info.Name())
		lock := flock.New(strings.TrimSuffix(path, recordSuffix) + lockSuffix)
		if got, err := lock.TryLock(); err != nil || !got {
			_ = lock.Close()
			continue // it lives, or another one sees to it
		}
		more := visit(path, info.ModTime())
		_ = lock.Close()
		if _, err := os.Stat(path); err != nil {
			_ = os.Remove(lock.Path())
		}
		if !more {
			return
		}
	}
}

// left are the shells that a record knows at an address, in the order in which they were made.
func left(path, address string) []string {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	var ids []string
	for line := range strings.Lines(string(data)) {
		f := strings.Fields(line)
		if len(f) != 3 || f[1] != address {
			continue
		}
		ids = slices.DeleteFunc(ids, func(id string) bool { return id == f[2] })
		if f[0] == madeSign {
			ids = append(ids, f[2])
		}
	}
	return ids
}
