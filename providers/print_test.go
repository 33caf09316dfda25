package providers_test

import (
	"bytes"

	"meshrotate/reconciler"
	"meshrotate/reconciler/render"
	"meshrotate/reconciler/session"
)

func (s *process) printPlan(p *reconciler.Plan) { s.print(render.Plan{Plan: p}) }

func (s *process) printOutcome(done *session.Applied) {
	s.print(render.OutcomeOf(done.Plan, done.Run, done.Took, done.Outcome))
}

// print says a report in every format.
func (s *process) print(r render.Report) {
	s.w.t.Helper()
	for _, f := range render.Formats() {
		var b bytes.Buffer
		if err := render.Write(&b, render.Style{Format: f}, r); err != nil {
			s.w.t.Errorf("%s: %v", f, err)
		}
		s.say(b.String())
	}
}
