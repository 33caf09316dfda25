package live

import (
	"context"

	"meshrotate/providers/site"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
)

// exposures is the family of who else could come by a secret.
func exposures(f *family) {
	f.reading(looking(func(q *questions, r site.Exposure) {
		q.ask(winhost.Exposure{Service: r.Service, Path: r.Path}, r.Key())
	}, func(_ context.Context, q *questions, r site.Exposure) (reconciler.Result, error) {
		res, err := q.result(r.Key())
		if err != nil || res.Exposed == nil {
			return nil, known(err, "no exposure")
		}
		e := res.Exposed
		seen := &site.ExposedSeen{Exposure: r, Program: e.Program, Unquoted: e.Unquoted == winhost.Yes, Readable: e.Readable == winhost.Yes, Writable: e.Writable, Unknown: e.Unknown}
		for _, l := range e.Left {
			seen.Left = append(seen.Left, site.OldCopy{Name: l.Name, Changed: l.Changed, Readable: l.UsersCanRead == winhost.Yes})
		}
		for _, record := range []struct {
			on   winhost.Answer
			what string
		}{
			{e.CommandLines, "command lines (event 4688)"}, {e.Sysmon, "command lines (Sysmon)"}, {e.Scripts, "PowerShell's script blocks (event 4104)"},
			{e.Modules, "calls of PowerShell's modules (event 4103)"}, {e.Transcripts, "PowerShell's sessions (transcripts)"},
		} {
			if record.on == winhost.Yes {
				seen.Records = append(seen.Records, record.what)
			}
		}
		return seen, nil
	}))
}
