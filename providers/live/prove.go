package live

import (
	"context"
	"errors"
	"fmt"
	"time"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/site"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
)

func (h *host) unproven(format string, args ...any) reconciler.Report {
	return failed(fmt.Errorf("%s: "+format, append([]any{h.name}, args...)...))[0]
}

func (h *host) proveFile(ctx context.Context, op site.ProveFile, f *winhost.File) reconciler.Report {
	want, err := h.site.values.value(ctx, op.Secret)
	if err != nil {
		return h.unproven("%w", err)
	}
	if f == nil || !f.Exists || f.SHA256 != hash(want.Expose()) {
		return h.unproven("%s is not version %s", op.Path, op.Secret.Version)
	}
	return done(fmt.Sprintf("%s has the file", h.name))
}

// proveSetting looks at the file, at the file of the default environment, at the variables and at the command line.
func (h *host) proveSetting(ctx context.Context, op site.ProveSetting, results []winhost.Result) reconciler.Report {
	base, layer, env, service := results[0].File, results[1].File, results[2].Environment, results[3].Service
	if base == nil || !base.Exists || layer == nil || env == nil || service == nil {
		return h.unproven("%s could not be read back", op.Path)
	}
	want, err := h.site.values.value(ctx, op.Secret)
	if err != nil {
		return h.unproven("%w", err)
	}
	got, err := appsettings.Get(base.Content.Expose(), op.Setting)
	if err != nil || !got.Value.Equal(want) {
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

// proveProcess demands a process that started after the file was written, and that it stays the same for a while.
func (h *host) proveProcess(ctx context.Context, op site.ProveProcess, results []winhost.Result) reconciler.Report {
	first, f, m := results[0].Service, results[1].File, results[2].Machine
	if first == nil || f == nil || m == nil {
		return h.unproven("service %s could not be looked at", op.Service)
	}
	switch {
	case first.State != winhost.Running:
		return h.unproven("service %s is %s (exit code %d)", op.Service, first.State, first.ExitCode)
	case first.StartedAt.IsZero():
		return h.unproven("the start time of service %s is not known", op.Service)
	case first.StartedAt.Before(f.Modified):
		return h.unproven("service %s started before %s was written", op.Service, op.Path)
	}
	if wait := op.Stable - m.Now.Sub(first.StartedAt); wait > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return lost(ctx.Err())
		}
		query := winhost.ServiceQuery{Service: op.Service}
		again, err := h.ask(ctx, []winhost.Op{query}, true)
		if err != nil {
			return lost(err)
		}
		if err := again[0].Err(query); err != nil {
			return h.unproven("%w", err)
		}
		if s := again[0].Service; s == nil || s.State != winhost.Running || s.PID != first.PID {
			return h.unproven("service %s did not stay up", op.Service)
		}
	}
	if op.Name == h.name {
		return done("") // a fleet's evidence is the Admin API's
	}
	return done(fmt.Sprintf("%s runs since %s, after the change", op.Name, first.StartedAt.UTC().Format(time.TimeOnly)))
}

// explain adds what a Windows error means for the person who reads it.
func explain(err error) error {
	var e *winhost.OpError
	if !errors.As(err, &e) {
		return err
	}
	hint := map[uint32]string{
		1053: "the service did not answer its start: .NET refuses its settings file, or it hangs; look at the file and at the Application log",
		1067: "the service's process ended at once: an empty or refused setting; look at the Application log",
		1069: "the service's account or password is refused: put the account's present password in the service manager",
		1058: "the service is disabled: enable it, or take the host out of the document",
		112:  "the disk is full: make room and run again",
		5:    "access denied: the account needs administrator's rights on the host, and the file must not be read-only",
		32:   "another process holds the file: stop it and run again",
	}[e.Win32]
	switch {
	case e.Code == winhost.Conflict:
		hint = "somebody changed the file since it was read; run `meshrotate plan` to see what is there now, then apply again"
	case hint == "":
		return err
	}
	return reconciler.Hinted(err, hint)
}
