package live

import (
	"context"
	"fmt"
	"strings"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/site"
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
		return []winhost.Op{winhost.FileRead{Path: o.Path}, winhost.FileRead{Path: layered(o.Path, production)},
			winhost.EnvironmentRead{Service: o.Service, Keys: []string{o.Setting}}, winhost.ServiceQuery{Service: o.Service}}, nil
	}, proveSetting))
}

// layered is the settings file of one of .NET's environments, which wins over the base file.
func layered(path, environment string) string {
	base, ok := strings.CutSuffix(path, ".json")
	if !ok {
		return path + "." + environment
	}
	return base + "." + environment + ".json"
}

const production = "Production"

func envKey(service string) string { return "environment " + service }

func askSetting(q *questions, r site.Setting) {
	q.ask(winhost.FileRead{Path: r.Path}, r.Path)
	q.ask(winhost.FileRead{Path: layered(r.Path, production)}, layered(r.Path, production))
	q.ask(winhost.EnvironmentRead{Service: r.Service, Keys: []string{r.Setting}}, envKey(r.Service)+r.Setting)
	q.ask(winhost.ServiceQuery{Service: r.Service}, r.Service)
}

func readSetting(ctx context.Context, q *questions, r site.Setting) (reconciler.Result, error) {
	base, content, err := q.base(r.Path)
	if err != nil {
		return nil, err
	}
	seen := &site.SettingSeen{Base: base, Key: r.Setting}
	env, err := q.result(envKey(r.Service) + r.Setting)
	if err != nil || env.Environment == nil {
		return nil, known(err, "no environment")
	}
	service, err := q.result(r.Service)
	if err != nil || service.Service == nil {
		return nil, known(err, "no state of service "+r.Service)
	}
	seen.Overrides = overrides(r, env.Environment, service.Service)
	if err := q.layers(ctx, r, env.Environment, seen); err != nil {
		return nil, err
	}
	if !base.Exists {
		seen.Version, seen.Refused = site.Absent, "the file does not exist"
		return seen, nil
	}
	s, err := appsettings.Get(content.Expose(), r.Setting)
	if err != nil {
		seen.Version, seen.Refused = site.Unreadable, err.Error()
		return seen, nil
	}
	if err := appsettings.Settable(content.Expose(), r.Setting); err != nil {
		seen.Refused = err.Error()
	}
	switch {
	case !s.Found || s.Null:
		seen.Version = site.Absent
		return seen, nil
	case s.Value.Len() == 0:
		seen.Version = site.Empty
		return seen, nil
	}
	return seen, q.host.understand(ctx, r, s.Value, seen)
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
	seen.Version, err = h.site.values.match(ctx, r.Secret, part)
	return err
}

// overrides are the variables and arguments that win over the settings file.
func overrides(r site.Setting, env *winhost.Environment, service *winhost.Service) []string {
	var all []string
	for _, v := range env.Machine.Overrides {
		all = append(all, "the machine's environment variable "+v)
	}
	for _, v := range env.Service.Overrides {
		all = append(all, "the service's environment variable "+v)
	}
	if strings.Contains(strings.ToLower(service.ImagePath), strings.ToLower(r.Setting)) {
		all = append(all, "the command line of service "+r.Service)
	}
	return all
}

// layers looks at the settings files that win over the base file. The environment's name chooses one; when it is not
// Production, a second request reads it.
func (q *questions) layers(ctx context.Context, r site.Setting, env *winhost.Environment, seen *site.SettingSeen) error {
	names := []string{env.Service.DotnetEnvironment, env.Service.AspnetcoreEnvironment, env.Machine.DotnetEnvironment, env.Machine.AspnetcoreEnvironment}
	read := map[string]bool{production: true}
	files := map[string]winhost.Result{}
	var err error
	if files[production], err = q.result(layered(r.Path, production)); err != nil {
		return err
	}
	for _, name := range names {
		if name == "" || read[name] {
			continue
		}
		read[name] = true
		op := winhost.FileRead{Path: layered(r.Path, name)}
		more, err := q.host.ask(ctx, []winhost.Op{op}, true)
		if err != nil {
			return err
		}
		if err := more[0].Err(op); err != nil {
			return err
		}
		files[name] = more[0]
	}
	for _, name := range append([]string{production}, names...) {
		res, ok := files[name]
		delete(files, name)
		if !ok || res.File == nil || !res.File.Exists {
			continue
		}
		s, err := appsettings.Get(res.File.Content.Expose(), r.Setting)
		switch {
		case err != nil:
			seen.Refused = fmt.Sprintf("appsettings.%s.json beside it: %v", name, err)
		case s.Found:
			seen.Overrides = append(seen.Overrides, layered("appsettings.json", name))
		}
	}
	return nil
}

// edited is the settings file as it was seen, with the edits.
func (h *host) edited(ctx context.Context, op site.StageSettings) (secret.Value, error) {
	f := h.files[op.Path]
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

// proveSetting looks at the file, at the file of the default environment, at the variables and at the command line.
func proveSetting(ctx context.Context, h *host, op site.ProveSetting, d deed) reconciler.Report {
	base, layer, env, service := d.results[0].File, d.results[1].File, d.results[2].Environment, d.results[3].Service
	if base == nil || !base.Exists || layer == nil || env == nil || service == nil {
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
		return h.unproven("%s does not hold %s", op.Path, op.Setting)
	}
	if asked, err := form.write(got.Value, want, op.Form); err != nil || !got.Value.Equal(asked) {
		return h.unproven("%s does not hold version %s of %s", op.Path, op.Secret.Version, op.Setting)
	}
	asked := site.Setting{Path: op.Path, Setting: op.Setting, Service: op.Service}
	if o := overrides(asked, env, service); len(o) > 0 {
		return h.unproven("%s is overridden by %s", op.Setting, o[0])
	}
	if layer.Exists {
		if s, err := appsettings.Get(layer.Content.Expose(), op.Setting); err != nil || s.Found {
			return h.unproven("%s is overridden by %s", op.Setting, layered("appsettings.json", production))
		}
	}
	return done(fmt.Sprintf("%s holds it", h.name))
}
