package file

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"

	"meshrotate/state/durable"
)

// roomFor are the small files that are replaced while a run goes on, the lease and the head: each is there twice for a moment.
const roomFor = 2 * 4096

// Reserve writes a file that roomy gives up: what is on the disk already is sure to be there. Its content is random, for a
// file system may keep zeroes without keeping room for them.
func (s *Store) Reserve(ctx context.Context, size int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.giveUpRoom()
	err := s.folder()
	if err == nil {
		filler := make([]byte, size+roomFor)
		_, _ = rand.NewChaCha8([32]byte{}).Read(filler) // never fails: see its documentation
		err = durable.Replace(s.path("ledger.room"), filler)
	}
	if err != nil {
		return &hinted{fmt.Errorf("keep %d bytes in %s for the ledger: %w", size+roomFor, s.dir, err),
			"nothing may be changed without a record: see that the folder can be written and the disk has room"}
	}
	return nil
}

// roomy writes. When that fails and room was kept, it is given up, and do is called again.
func (s *Store) roomy(do func() error) error {
	err := do()
	if err != nil && s.giveUpRoom() {
		err = do()
	}
	return err
}

func (s *Store) giveUpRoom() bool { return os.Remove(s.path("ledger.room")) == nil }
