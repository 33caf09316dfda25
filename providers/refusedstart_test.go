package providers_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/lab/machine"
	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
)

// A start that the service manager refuses is told as that, with its number, by whatever looks last: nobody has started it, and nobody
// has stopped it since.
func TestARefusedStartIsToldAsThat(t *testing.T) {
	vendor()
	admin := func(w *world) *lab.Host { return w.lab.Admin }
	engine := func(w *world) *lab.Host { return w.lab.EngineHost }
	relay := func(w *world) *lab.Host { return w.relay(1) }
	for _, c := range []struct {
		kinds string
		what  string
		host  func(w *world) *lab.Host
	}{
		{"relaykey", "", relay}, {"relaykey", "Admin", admin}, {"license", "Engine", engine}, {"sqllogin", "Admin", admin}, {"sqllogin", "Engine", engine},
		{"serviceaccount", "Engine", engine}, {"relaykey license sqllogin serviceaccount", "Admin", admin},
	} {
		for _, number := range []machine.Errno{1053, 1058, 1069} {
			for _, how := range []string{"", "its answer is lost", "the service manager says so"} {
				t.Run(fmt.Sprint(c.kinds, " ", c.what, " ", int(number), " ", how), func(t *testing.T) {
					t.Parallel()
					virtual(t, func(t *testing.T) {
						w := newWorld(t, 3, strings.Fields(c.kinds)...)
						h := c.host(w)
						service := serviceOf(h)
						var cut bool
						h.Points(func(p machine.Point) (a machine.Action) {
							switch {
							case p.Op != "service.start":
							case how == "the service manager says so":
								_ = h.Machine.Change(service, func(s *machine.Service) { s.StartMode = "disabled" })
							case p.When == machine.Before:
								a.Fail = number
							case how != "" && !cut:
								cut = true
								a.End = machine.EndCut
							}
							return a
						})
						p, o := w.run()
						down := render.OutcomeOf(p, "run", 0, o).Down
						i := slices.IndexFunc(down, func(d render.Down) bool { return d.Service == service })
						if i < 0 {
							t.Fatal(o)
						}
						want := fmt.Sprint(int(number))
						if how == "the service manager says so" {
							want = "1058"
						}
						if d := down[i]; !strings.Contains(d.Why, want) || strings.Contains(d.Hint, "somebody stopped it") {
							t.Errorf("%+v", d)
						}
						time.Sleep(time.Minute)
						s := w.process()
						all := s.look().Plan.StillDown()
						s.close()
						if !slices.ContainsFunc(all, func(d reconciler.Down) bool {
							return d.Service == service && strings.HasPrefix(d.Cause, "an earlier run stopped it, or was to start it")
						}) {
							t.Errorf("%+v", all)
						}
					})
				})
			}
		}
	}
}
