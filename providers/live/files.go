package live

import (
	"context"
	"fmt"

	"meshrotate/providers/site"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// files is the family of whole files.
func files(f *family) {
	f.reading(looking(func(q *questions, r site.File) { q.ask(winhost.FileRead{Path: r.Path}, r.Path) }, readFile))
	f.op(doing(stageFile, nil))
	f.op(doing(swap, func(_ context.Context, h *host, op site.Swap, _ deed) reconciler.Report { return h.replaced(op.Path) }))
	f.op(doing(restore, func(_ context.Context, h *host, op site.Restore, _ deed) reconciler.Report {
		return h.replaced(op.Path)
	}))
	f.op(doing(discard, nil))
	f.op(doing(func(_ context.Context, _ *host, o site.ProveFile) ([]winhost.Op, error) {
		return one(winhost.FileRead{Path: o.Path, HashOnly: true})
	}, proveFile))
	f.op(doing(func(_ context.Context, _ *host, o site.ProveAsBefore) ([]winhost.Op, error) {
		return one(winhost.FileRead{Path: o.Path, HashOnly: true})
	}, proveAsBefore))
}

// base reads what is known of a file and remembers it for the steps.
func (q *questions) base(path string) (site.Base, secret.Value, error) {
	res, err := q.result(path)
	if res.Code == winhost.Sharing || res.Code == winhost.Denied { // an answer of its own: the host can be looked at, and this file cannot
		return site.Base{Path: path, Error: res.Win32}, secret.Value{}, nil
	}
	if err != nil || res.File == nil {
		return site.Base{}, secret.Value{}, known(err, "no "+path)
	}
	f := res.File
	b := site.Base{Path: path, Exists: f.Exists, SHA256: f.SHA256, Modified: f.Modified, Changed: f.Changed,
		Staged: f.Staged != nil, Backup: f.Backup != nil}
	if f.Exists {
		b.Print = fingerprint(q.salt, f.Content.Expose())
	}
	q.host.files.put(path, &file{content: f.Content, base: f.SHA256, read: true, written: f.Modified})
	return b, f.Content, nil
}

func readFile(ctx context.Context, q *questions, r site.File) (reconciler.Result, error) {
	base, content, err := q.base(r.Path)
	if err != nil {
		return nil, err
	}
	seen := &site.FileSeen{Base: base}
	switch {
	case base.Error != 0:
		seen.Version = site.Withheld
		return seen, nil
	case !base.Exists:
		seen.Version = site.Absent
		return seen, nil
	case content.Len() == 0:
		seen.Version = site.Empty
		return seen, nil
	}
	seen.Content = q.host.site.values.content(r.Secret, content)
	seen.Version, err = q.host.site.values.match(ctx, r.Secret, content)
	return seen, err
}

func stageFile(ctx context.Context, h *host, op site.StageFile) ([]winhost.Op, error) {
	content, err := h.site.values.value(ctx, op.Secret)
	if err != nil {
		return nil, err
	}
	return h.stage(op.Path, content)
}

// stage writes beside the file that this run has read, and no other.
func (h *host) stage(path string, content secret.Value) ([]winhost.Op, error) {
	f := h.files.of(path)
	if f == nil || !f.read {
		return nil, fmt.Errorf("%s was not read in this run", path)
	}
	f.staged = hash(content.Expose())
	return one(winhost.FileStage{Path: path, Expect: f.base, Content: content})
}

func swap(_ context.Context, h *host, op site.Swap) ([]winhost.Op, error) {
	f := h.files.of(op.Path)
	if f == nil || f.staged == "" {
		return nil, fmt.Errorf("nothing was staged for %s", op.Path)
	}
	return one(winhost.FileSwap{Path: op.Path, Expect: f.base, Staged: f.staged})
}

// restore undoes a swap, also one that brought a file where there was none; where the swap did not happen, the host
// answers that nothing is to be done.
func restore(_ context.Context, h *host, op site.Restore) ([]winhost.Op, error) {
	f := h.files.of(op.Path)
	if f == nil || f.staged == "" {
		return nil, fmt.Errorf("nothing was staged for %s", op.Path)
	}
	return one(winhost.FileRestore{Path: op.Path, Expect: f.staged, Backup: f.base})
}

// replaced notes that another file is live since a step that was just done: what started before has read the one before.
func (h *host) replaced(path string) reconciler.Report {
	h.files.of(path).replaced = true
	return done("")
}

func discard(_ context.Context, _ *host, op site.Discard) ([]winhost.Op, error) {
	var ops []winhost.Op
	if op.Staged {
		ops = append(ops, winhost.FileDiscard{Path: op.Path, Which: winhost.Staged})
	}
	if op.Backup {
		ops = append(ops, winhost.FileDiscard{Path: op.Path, Which: winhost.Backup})
	}
	return ops, nil
}

func proveFile(ctx context.Context, h *host, op site.ProveFile, d deed) reconciler.Report {
	want, err := h.site.values.value(ctx, op.Secret)
	if err != nil {
		return h.unproven("%w", err)
	}
	if f := d.results[0].File; f == nil || !f.Exists || f.SHA256 != hash(want.Expose()) {
		return h.unproven("%s is not version %s", op.Path, op.Secret.Version)
	}
	r := done(fmt.Sprintf("%s has the file", h.name))
	r.Facts = site.AheadFacts(h.name, op.Path, d.results[0].File.Modified, h.site.config.Now())
	return r
}

func proveAsBefore(_ context.Context, h *host, op site.ProveAsBefore, d deed) reconciler.Report {
	was, f := h.files.of(op.Path), d.results[0].File
	switch {
	case was == nil || !was.read:
		return h.unproven("what %s was is not known", op.Path)
	case f == nil || f.Exists != (was.base != "") || f.SHA256 != was.base:
		return h.unproven("%s is not what it was before", op.Path)
	}
	return done(fmt.Sprintf("%s has the old file", h.name))
}

func (h *host) unproven(format string, args ...any) reconciler.Report {
	return failed(fmt.Errorf("%s: "+format, append([]any{h.name}, args...)...))[0]
}
