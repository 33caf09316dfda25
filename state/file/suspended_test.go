package file_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gofrs/flock"

	"meshrotate/state"
)

// A process that was suspended in the middle of a write holds that file's lock for as long as nobody wakes it. Others wait for
// a bounded time and say what they waited for; who only reads does not wait.
func TestAWriterThatIsSuspended(t *testing.T) {
	for name, use := range map[string]func(ctx context.Context, dir string) error{
		"ledger.lock": func(ctx context.Context, dir string) error {
			return open(t, dir).Append(ctx, state.Entry{Outcome: state.Done})
		},
		"lease.lock": func(ctx context.Context, dir string) error {
			_, err := open(t, dir).Acquire(ctx, state.Holder{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, lines := written(t, 2)
			synctest.Test(t, func(t *testing.T) {
				suspended := flock.New(filepath.Join(dir, name))
				if err := suspended.Lock(); err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				err := use(t.Context(), dir)
				if err == nil || time.Since(begin) > time.Minute {
					t.Errorf("after %s: %v", time.Since(begin), err)
				}
				var hint interface{ Hint() string }
				if !errors.As(err, &hint) || !strings.Contains(hint.Hint(), "suspended") || !strings.Contains(err.Error(), name) {
					t.Errorf("%v", err)
				}
				if all, err := open(t, dir).Entries(t.Context()); err != nil || len(all) != len(lines) {
					t.Errorf("%d entries, %v", len(all), err)
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				defer cancel()
				if err := use(ctx, dir); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("an interrupt: %v", err)
				}
				if err := suspended.Unlock(); err != nil {
					t.Fatal(err)
				}
				if name == "ledger.lock" { // a lease renews itself: it would outlive the bubble
					if err := use(t.Context(), dir); err != nil {
						t.Errorf("and now: %v", err)
					}
				}
			})
		})
	}
}
