// Package engine lets a lab run the real host script under a real PowerShell engine: one process for each command that
// arrives over WinRM.
//
// Pwsh is PowerShell on Linux. Files are real ones, in a folder for each host. What only Windows has (services,
// registry, access rules) is asked of the lab's model of the machine, by functions that take the place of the script's
// own: see unix.ps1 and linux.ps1. The script itself is unchanged, and its bootstrap checks that by its SHA-256.
//
// Wine is PowerShell for Windows under Wine, and nothing of the script is replaced. Services are real ones of Wine's
// service manager, and files are on its drives. The product is played by the lab: its model reads the settings when
// the real service's process starts, and goes when that goes.
//
// Both need their programs on PATH: pwsh, or pwsh-windows and wine.
package engine

import (
	"context"
	"io"
	"strings"
	"sync"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
)

// record tells the machine's recorder what Windows would keep.
func record(m *machine.Machine, kind, text string) {
	if m.Record != nil && text != "" {
		m.Record(kind, text)
	}
}

// strike asks the machine's hook for a fault, and does what can be done about it here: wait, or kill the process.
// Whatever way of ending is asked for, the process is killed, as by kill -9.
func strike(ctx context.Context, m *machine.Machine, p machine.Point, kill func()) machine.Errno {
	if m.Hook == nil {
		return 0
	}
	a := m.Hook(p)
	if a.Delay > 0 {
		select {
		case <-time.After(a.Delay):
		case <-ctx.Done():
		}
	}
	switch a.End {
	case machine.EndNone:
	case machine.EndHang:
		<-ctx.Done()
	default:
		kill()
	}
	return a.Fail
}

// transcript keeps what passes through it.
type transcript struct {
	io.Writer
	mu   sync.Mutex
	text strings.Builder
}

func (t *transcript) Write(b []byte) (int, error) {
	t.mu.Lock()
	_, _ = t.text.Write(b) // a Builder takes everything
	t.mu.Unlock()
	return t.Writer.Write(b)
}

// String is what has passed so far.
func (t *transcript) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.text.String()
}

var (
	_ lab.Engine         = (*Pwsh)(nil)
	_ lab.ServiceManager = (*Wine)(nil)
)
