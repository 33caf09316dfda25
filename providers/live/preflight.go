package live

import (
	"context"

	"meshrotate/providers/site"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
)

// preflights is the family of what stands in the way.
func preflights(f *family) {
	f.reading(looking(func(q *questions, r site.Preflight) {
		q.ask(winhost.Preflight{Service: r.Service, Logon: r.Logon, Path: r.Path}, r.Key())
	}, func(_ context.Context, q *questions, r site.Preflight) (reconciler.Result, error) {
		res, err := q.result(r.Key())
		if err != nil || res.Trials == nil {
			return nil, known(err, "no preflight")
		}
		t := res.Trials
		return &site.PreflightSeen{Preflight: r, Service: t.Service, File: t.File, Folder: t.Folder, ReadOnly: t.ReadOnly, Size: t.Size, Free: t.Free}, nil
	}))
}
