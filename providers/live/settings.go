package live

import (
	"context"
	"fmt"
	"time"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/site"
	"meshrotate/providers/values"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// settings is the family of single keys in settings files.
func settings(f *family) {
	f.reading(looking(askSetting, readSetting))
	f.op(doing(func(ctx context.Context, h *host, o site.StageSettings) ([]winhost.Op, error) {
		content, err := h.edited(ctx, o)
		if err != nil {
			return nil, err
		}
		return h.stage(o.Path, content)
	}, nil))
	f.op(doing(func(_ context.Context, _ *host, o site.ProveSetting) ([]winhost.Op, error) {
		return []winhost.Op{winhost.FileRead{Path: o.Path}, winhost.EnvironmentRead{Service: o.Service, Path: o.Path}, winhost.ServiceQuery{Service: o.Service}}, nil
	}, proveSetting))
}

func envKey(r site.Setting) string { return "environment " + r.Service + " " + r.Path }

func askSetting(q *questions, r site.Setting) {
	q.ask(winhost.FileRead{Path: r.Path}, r.Path)
	q.ask(winhost.EnvironmentRead{Service: r.Service, Path: r.Path}, envKey(r))
}

func readSetting(ctx context.Context, q *questions, r site.Setting) (reconciler.Result, error) {
	seen := &site.SettingSeen{Key: r.Setting}
	content, err := q.setting(ctx, r, false, seen)
	if err != nil || seen.Version != "" {
		return seen, err
	}
	s, refused, err := appsettings.GetSettable(content.Expose(), r.Setting)
	q.parsed(r.Path, err)
	if err != nil {
		seen.Version, seen.Refused = site.Unreadable, err.Error()
		return seen, nil
	}
	if refused != nil {
		seen.Refused = refused.Error()
	}
	switch {
	case !s.Found || s.Null:
		seen.Version = site.Absent
		return seen, nil
	case s.Value.Len() == 0:
		seen.Version = site.Empty
		return seen, nil
	}
	seen.Mark = fingerprint(q.salt, s.Value.Expose())
	if r.Reach {
		if seen.Reach, err = q.host.reaches(ctx, s.Value); err != nil {
			return nil, err
		}
	}
	if err := q.host.understand(ctx, r, s.Value, seen); err != nil || r.Form.Kind != site.ConnectionString {
		return seen, err
	}
	seen.Beside, err = q.besideStrings(ctx, r, content, s.Value)
	return seen, err
}

// setting reads a settings file, and what else its service reads. With a Version there is nothing in it to read.
func (q *questions) setting(ctx context.Context, r site.Setting, list bool, seen *site.SettingSeen) (secret.Value, error) {
	base, content, err := q.base(r.Path)
	if err != nil {
		return content, err
	}
	if seen.Base = base; base.Error != 0 {
		seen.Version = site.Withheld
		return content, nil
	}
	env, err := q.result(envKey(r))
	if err != nil || env.Environment == nil {
		return content, known(err, "no environment")
	}
	j, err := q.host.judge(ctx, r.Service, r.Setting, list, env.Environment)
	if err != nil {
		return content, err
	}
	if q.judged == nil {
		q.judged = map[*winhost.Environment]*judge{}
	}
	q.judged[env.Environment] = j
	force := j.force
	seen.Overrides, seen.Mends, seen.Doubts, seen.Refused, seen.EnvironmentChanged = force.overrides, force.mends, force.doubts, force.refused, force.changed
	seen.Under = force.under
	if !base.Exists {
		seen.Version, seen.Refused = site.Absent, "the file does not exist"
	}
	return content, nil
}

// understand finds the secret in a setting's value, and which version it is.
func (h *host) understand(ctx context.Context, r site.Setting, value secret.Value, seen *site.SettingSeen) error {
	form, err := formOf(r.Form)
	if err != nil {
		return err
	}
	part, content, err := form.read(value, h.name)
	if err != nil {
		seen.Version, seen.Refused = site.Unknown, err.Error()
		return nil
	}
	h.site.noteValue(r, value)
	if part.Len() == 0 {
		seen.Version, seen.Content = site.Absent, content
		return nil
	}
	if seen.Content = content; content == nil {
		seen.Content = h.site.values.content(r.Secret, part)
	}
	if seen.Version, err = h.site.values.match(ctx, r.Secret, part); err != nil || seen.Version != site.Unknown {
		return err
	}
	switch why, sure := values.Elsewhere(part.Expose()); {
	case sure:
		seen.Refused = r.Setting + ": " + why
	case why != "":
		seen.Doubts = append(seen.Doubts, fmt.Sprintf("the value of %s in %s is not one: %s", r.Setting, r.Path, why))
	}
	return nil
}

// edited is the settings file as it was seen, with the edits.
func (h *host) edited(ctx context.Context, op site.StageSettings) (secret.Value, error) {
	f := h.files.of(op.Path)
	if f == nil || f.content.IsZero() {
		return secret.Value{}, fmt.Errorf("%s was not read in this run", op.Path)
	}
	var edits []appsettings.Edit
	for _, e := range op.Edits {
		v, err := h.site.values.value(ctx, e.Secret)
		if err == nil {
			v, err = h.written(op.Path, f.content, e, v)
		}
		if err != nil {
			return secret.Value{}, err
		}
		edits = append(edits, appsettings.Edit{Key: e.Setting, Value: v})
	}
	content, err := appsettings.SetAll(f.content.Expose(), edits)
	for _, l := range op.Lists {
		if err == nil {
			content, err = appsettings.SetList(content, l.Setting, l.Members)
		}
	}
	if err != nil {
		return secret.Value{}, fmt.Errorf("%s: %w", op.Path, err)
	}
	return secret.New(content), nil
}

// written is the value that an edit gives a setting.
func (h *host) written(path string, content secret.Value, e site.KeyEdit, v secret.Value) (secret.Value, error) {
	form, err := formOf(e.Form)
	if err != nil {
		return secret.Value{}, err
	}
	s, err := appsettings.Get(content.Expose(), e.Setting)
	if err == nil {
		v, err = form.write(s.Value, v, e.Form)
	}
	if err != nil {
		return secret.Value{}, fmt.Errorf("%s: %s: %w", path, e.Setting, err)
	}
	return v, nil
}

// proveSetting looks at the file, and at what else the service would read.
func proveSetting(ctx context.Context, h *host, op site.ProveSetting, d deed) reconciler.Report {
	base, env, service := d.results[0].File, d.results[1].Environment, d.results[2].Service
	if base == nil || !base.Exists || env == nil || service == nil {
		return h.unproven("%s could not be read back", op.Path)
	}
	want, err := h.site.values.value(ctx, op.Secret)
	if err != nil {
		return h.unproven("%w", err)
	}
	form, err := formOf(op.Form)
	if err != nil {
		return h.unproven("%w", err)
	}
	got, err := appsettings.Get(base.Content.Expose(), op.Setting)
	if err != nil || !got.Found || got.Value.Len() == 0 {
		return h.unread(op, service, changedFile, "%s does not hold %s", op.Path, op.Setting)
	}
	if asked, err := form.write(got.Value, want, op.Form); err != nil || !got.Value.Equal(asked) {
		return h.unread(op, service, changedFile, "%s does not hold version %s of %s", op.Path, op.Secret.Version, op.Setting)
	}
	var force force
	err = insist(ctx, h.site.config.Patience, h.site.config.Now, func() (err error) {
		force, err = h.inForce(ctx, op.Service, op.Setting, false, env)
		return err
	})
	if err != nil {
		return unseen(err)
	}
	unhide := "take away what overrides " + op.Setting + " on the host, then apply again"
	switch {
	case len(force.overrides) > 0:
		return h.unread(op, service, unhide, "%s is overridden by %s", op.Setting, force.overrides[0])
	case force.refused != "":
		return h.unread(op, service, unhide, "%s may be overridden: %s", op.Setting, force.refused)
	case op.Noun != "":
		return done("") // one of many: the fleet's evidence is the Admin API's
	}
	return done(fmt.Sprintf("%s holds it", h.name))
}

const changedFile = "somebody has changed the file since: find out who, then apply again"

// unread says why a service does not run with the declared value. Nobody waits for what it would do.
func (h *host) unread(op site.ProveSetting, service *winhost.Service, hint, format string, args ...any) reconciler.Report {
	r := h.unproven(format, args...)
	refused := h.refused(op.Service, service)
	switch {
	case refused != nil:
		r.Err = fmt.Errorf("%w; %w", r.Err, refused)
	case service.State == winhost.Stopped:
		r.Err = fmt.Errorf("%w; service %s is stopped (exit code %d)", r.Err, op.Service, service.ExitCode)
	}
	r.Err = reconciler.Hinted(r.Err, hint)
	if now := h.site.gone(h.name, r.Err, h.site.config.Now); service.State == winhost.Stopped {
		r.Down, r.Ended = map[string]time.Time{op.Name: now}, refused == nil && !h.keptDown(op.Service, service)
	}
	return r
}
