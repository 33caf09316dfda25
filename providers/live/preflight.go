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
		key := r.Key()
		q.ask(winhost.Preflight{Service: r.Service, Logon: r.Logon, Path: r.Path, Store: r.Store, Machine: r.Machine}, key)
		if r.Service != "" && !r.Logon { // who sets another account looks at that
			q.ask(winhost.LogonRead{Service: r.Service}, key+" logon")
		}
		askStart(q, r)
	}, func(ctx context.Context, q *questions, r site.Preflight) (reconciler.Result, error) {
		key := r.Key()
		res, err := q.result(key)
		if err != nil || res.Trials == nil {
			return nil, known(err, "no preflight")
		}
		t := res.Trials
		seen := &site.PreflightSeen{Preflight: r, Service: t.Service, File: t.File, Folder: t.Folder, ReadOnly: t.ReadOnly, Size: t.Size, Free: t.Free, Store: t.Store, Environment: t.Environment}
		if r.Service != "" && !r.Logon {
			if res, err := q.result(key + " logon"); err == nil && res.Logon != nil { // without an answer it is not known
				seen.Exists, seen.Right, seen.Locked = string(res.Logon.Exists), string(res.Logon.Right), string(res.Logon.Locked)
				seen.PasswordSet = res.Logon.PasswordSet
			}
		}
		if r.Settings != "" {
			if seen.Start, err = q.start(ctx, r); err != nil {
				return nil, err
			}
		}
		return seen, nil
	}))
}
