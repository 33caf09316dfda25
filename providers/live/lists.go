package live

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/site"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
)

// lists is the family of keys in settings files that hold several texts.
func lists(f *family) {
	f.reading(looking(func(q *questions, r site.List) { askSetting(q, asSetting(r)) }, readList))
	f.op(doing(func(_ context.Context, _ *host, o site.ProveList) ([]winhost.Op, error) {
		return []winhost.Op{winhost.FileRead{Path: o.Path}, winhost.EnvironmentRead{Service: o.Service, Path: o.Path}}, nil
	}, proveList))
}

// oneMore is no member of any list: it is added to see whether one can be, and written nowhere.
const oneMore = "one more"

func asSetting(r site.List) site.Setting {
	return site.Setting{Host: r.Host, Path: r.Path, Setting: r.Setting, Service: r.Service}
}

func readList(ctx context.Context, q *questions, r site.List) (reconciler.Result, error) {
	seen := &site.ListSeen{SettingSeen: site.SettingSeen{Key: r.Setting}}
	content, err := q.setting(ctx, asSetting(r), true, &seen.SettingSeen)
	if err != nil || seen.Version != "" {
		return seen, err
	}
	if u := seen.Under; shows(u, content.Expose(), r.Setting) {
		seen.Overrides, seen.Mends = append(seen.Overrides, u.Name), append(seen.Mends, u.Mend)
	}
	l, err := appsettings.GetList(content.Expose(), r.Setting)
	if err != nil {
		seen.Refused = err.Error()
		var refused *appsettings.RefusedError
		if errors.As(err, &refused) {
			seen.Version = site.Unreadable
		}
		return seen, nil
	}
	seen.Found, seen.Members, seen.Text = l.Found, l.Members, l.Text
	if _, err := appsettings.SetList(content.Expose(), r.Setting, append(slices.Clone(l.Members), oneMore)); err != nil && l.Found {
		seen.Closed = err.Error()
	}
	if !l.Found && seen.Refused == "" {
		seen.Refused = fmt.Sprintf("%s is not in the file", r.Setting)
	}
	return seen, nil
}

func proveList(ctx context.Context, h *host, op site.ProveList, d deed) reconciler.Report {
	base, env := d.results[0].File, d.results[1].Environment
	if base == nil || !base.Exists || env == nil {
		return h.unproven("%s could not be read back", op.Path)
	}
	l, err := appsettings.GetList(base.Content.Expose(), op.Setting)
	if err != nil {
		return h.unproven("%s: %w", op.Path, err)
	}
	if !slices.Equal(slices.Sorted(slices.Values(l.Members)), slices.Sorted(slices.Values(op.Members))) {
		r := h.unproven("%s holds another %s", op.Path, op.Setting)
		r.Err = reconciler.Hinted(r.Err, changedFile)
		return r
	}
	var force force
	err = insist(ctx, h.site.config.Patience, h.site.config.Now, func() (err error) {
		force, err = h.inForce(ctx, op.Service, op.Setting, true, env)
		return err
	})
	switch {
	case err != nil:
		return unseen(err)
	case len(force.overrides) > 0:
		return h.unproven("%s is overridden by %s", op.Setting, force.overrides[0])
	case shows(force.under, base.Content.Expose(), op.Setting):
		return h.unproven("%s is overridden by %s", op.Setting, force.under.Name)
	case force.refused != "":
		return h.unproven("%s may be overridden: %s", op.Setting, force.refused)
	}
	return done(fmt.Sprintf("%s in force on %s", op.What, crowd(op.Who)))
}
