//go:build unix

package labcli_test

import (
	"os"
	"testing"
	"time"

	"meshrotate/providers/lab"
)

// TestWhatARunHasBegunIsFinished, whatever the window says: an ordinary run that was killed in its switch, and an emergency that was taken back. What
// no run has begun waits.
func TestWhatARunHasBegunIsFinished(t *testing.T) {
	t.Parallel()
	w, _ := startHere(t, lab.Config{Relays: 2})
	killed := func(at string, args ...string) {
		r := w.start(args...)
		r.reaches(at)
		r.signal(os.Kill)
		r.wait()
	}
	killed("verify: began", "apply", "--yes", "--only", "relaykey")
	w.rewrite("\nsecrets:\n", "\npolicy:\n  window: ["+time.Now().UTC().AddDate(0, 0, 3).Format("Mon")+" 10:00-11:00 UTC]\n\nsecrets:\n")
	const finish = "what a run has begun (relay key) is finished at any time, alone: `meshrotate apply --only KIND`"
	w.run(1, "apply", "--yes").says(t, "changes are allowed at", finish)
	w.run(2, "plan").says(t, "[window-closed]", finish)
	w.run(1, "apply", "--yes", "--only", "license").says(t, "changes are allowed at")
	w.run(0, "apply", "--yes", "--only", "relaykey")

	r := w.start("rotate", "--compromised", "relaykey", "--yes", "posted")
	r.reaches("prepare: began")
	r.signal(os.Interrupt)
	r.wait()
	w.run(0, "apply", "--yes", "--only", "relaykey").says(t, "proven")
	w.rewrite("version: 8\n", "version: 9\n")
	w.run(1, "apply", "--yes", "--only", "relaykey").says(t, "changes are allowed at")
}
