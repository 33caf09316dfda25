package file

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"meshrotate/state"
	"meshrotate/state/durable"
	"meshrotate/state/process"
)

// maxTTL bounds what a lease may promise: a damaged number must not keep everybody out for ever.
const maxTTL = 24 * time.Hour

// leaseFile is the content of lease.json.
type leaseFile struct {
	state.Holder
	// Process tells the holder's process from a later one with the same number, "" when that cannot be known.
	Process string `json:"process,omitempty"`
	// Token tells a lease from every other: another folder in the place of this one may have its fence.
	Token string `json:"token,omitempty"`
	// TTL is the holder's promise, in seconds: it renews the heartbeat more often than that.
	TTL float64 `json:"ttl"`
}

// readLease reads the lease and judges it. What cannot be read is a lease too: somebody may hold it.
func (s *Store) readLease() (l leaseFile, ok bool, err error) {
	return s.judged(durable.ReadFile(s.path("lease.json"), smallLimit))
}

func (s *Store) judged(data []byte, err error) (l leaseFile, ok bool, _ error) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return leaseFile{}, false, nil
	case errors.Is(err, durable.ErrUnfit):
		return damagedLease(err.Error()), true, nil
	case err != nil:
		return leaseFile{}, false, err
	}
	if err := json.Unmarshal(data, &l); err != nil || l.Fence == 0 || !(0 < l.TTL && l.TTL <= maxTTL.Seconds()) {
		return damagedLease(s.path("lease.json") + " cannot be read"), true, nil
	}
	l.Ended, l.Silent, l.Damaged = s.judge(l)
	return l, true, nil
}

func damagedLease(why string) leaseFile {
	return leaseFile{Holder: state.Holder{Damaged: why}}
}

// judge says that a holder has certainly ended, or broke its promise to renew; or else why nobody can say. A heartbeat
// in the future would look alive until the time comes, which may be never.
func (s *Store) judge(l leaseFile) (ended, silent bool, damaged string) {
	age, ttl := s.now().Sub(l.Heartbeat), time.Duration(l.TTL*float64(time.Second))
	if s.processEnded(l) {
		return true, false, ""
	}
	if age > ttl {
		return true, true, ""
	}
	if age < -ttl {
		return false, false, fmt.Sprintf("its heartbeat lies %v in the future: the clock of %s or of this machine is wrong, "+
			"so nobody can say whether it is alive", (-age).Round(time.Second), l.Host)
	}
	return false, false, ""
}

func (s *Store) processEnded(l leaseFile) bool {
	host, err := os.Hostname()
	return err == nil && host == l.Host && process.Ended(l.PID, l.Process)
}

func (s *Store) writeLease(l leaseFile) error {
	data, err := l.bytes()
	if err != nil {
		return err
	}
	return s.roomy(func() error { return durable.Replace(s.path("lease.json"), data) })
}

func (l leaseFile) bytes() ([]byte, error) {
	data, err := json.MarshalIndent(l, "", "  ")
	return append(data, '\n'), err
}

// removeLease removes the lease, and what its run kept of the disk.
func (s *Store) removeLease() error {
	s.giveUpRoom()
	return errors.Join(os.Remove(s.path("lease.json")), durable.SyncDir(s.dir))
}
