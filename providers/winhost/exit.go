package winhost

import (
	"errors"
	"fmt"
	"strings"
)

// doing says during what an error came about. It asks the error for its words when it is read: by then a caller may have said of
// it that it was only about a look.
type doing struct {
	what string
	err  error
}

func (d doing) Error() string { return d.what + ": " + d.err.Error() }
func (d doing) Unwrap() error { return d.err }

// cannotRun is a host that ran nothing of the script, and what can be done about it.
type cannotRun struct {
	err       error // ErrUnsupported or ErrScript
	why, hint string
}

func (e *cannotRun) Error() string { return fmt.Sprintf("%v: %s", e.err, e.why) }
func (e *cannotRun) Unwrap() error { return e.err }
func (e *cannotRun) Hint() string  { return e.hint }

// exitError says why the process ended, as far as that is known.
func (s *Session) exitError(blobs [][]byte) error {
	switch s.exit {
	case exitLanguage:
		return &cannotRun{ErrUnsupported, "PowerShell runs in Constrained Language Mode",
			"a policy on the host does it (AppLocker, App Control, or __PSLockdownPolicy in its environment): let it allow full language for this account, and try as it: powershell -NoProfile -Command '$ExecutionContext.SessionState.LanguageMode'"}
	case exitVersion:
		return &cannotRun{ErrUnsupported, "PowerShell is older than 5.1",
			"install Windows Management Framework 5.1 on the host, or name another one with powershell under connect.winrm or connect.hosts"}
	case exitScript:
		return &cannotRun{ErrScript, "it arrived as another text than was sent",
			"nothing was run; something on the way or on the host changes what is sent: look for a filter, and run again"}
	case exitFrame:
		return fmt.Errorf("%w: the host received a cut or damaged request and did not try it", ErrFrame)
	}
	text := fmt.Sprintf("PowerShell ended with exit code %d and without a whole reply", s.exit)
	if said := s.stderr.text(blobs); said != "" {
		text += ": " + strings.ToValidUTF8(said, "?")
	}
	return errors.New(text)
}
