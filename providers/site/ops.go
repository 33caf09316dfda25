package site

import (
	"fmt"
	"slices"
	"time"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// Keep makes the declared version of a secret durable: minted or fetched, sealed, kept. Once per version, ever.
type Keep struct {
	Secret secret.Ref `json:"keep"`
}

func (o Keep) Target() reconciler.Target { return Values }
func (o Keep) Key() string               { return "keep " + o.Secret.String() }
func (o Keep) Merge(reconciler.Op) (reconciler.Op, error) {
	return o, nil
}

// KeyEdit is one value of a settings file.
type KeyEdit struct {
	Setting string     `json:"setting"`
	Secret  secret.Ref `json:"secret"`
}

// StageSettings writes the edited settings file beside the live one.
type StageSettings struct {
	Host  string    `json:"-"`
	Path  string    `json:"stage"`
	Edits []KeyEdit `json:"edits"`
	// Base is the SHA-256 that the live file must still have. It is not shown.
	Base string `json:"-"`
}

func (o StageSettings) Target() reconciler.Target { return Host(o.Host) }
func (o StageSettings) Key() string               { return "stage " + o.Path }

// Merge joins the edits: two edits of one file are one write.
func (o StageSettings) Merge(other reconciler.Op) (reconciler.Op, error) {
	b, ok := other.(StageSettings)
	if !ok || b.Base != o.Base {
		return nil, fmt.Errorf("two rotations want %s to be different files", o.Path)
	}
	o.Edits = slices.Clone(o.Edits)
	for _, e := range b.Edits {
		i := slices.IndexFunc(o.Edits, func(x KeyEdit) bool { return x.Setting == e.Setting })
		if i >= 0 && o.Edits[i] != e {
			return nil, fmt.Errorf("two rotations set %s", e.Setting)
		}
		if i < 0 {
			o.Edits = append(o.Edits, e)
		}
	}
	return o, nil
}

// StageFile writes a secret's value beside the live file.
type StageFile struct {
	Host   string     `json:"-"`
	Path   string     `json:"stage"`
	Secret secret.Ref `json:"secret"`
	Base   string     `json:"-"`
}

func (o StageFile) Target() reconciler.Target { return Host(o.Host) }
func (o StageFile) Key() string               { return "stage " + o.Path }
func (o StageFile) Merge(other reconciler.Op) (reconciler.Op, error) {
	return same(o, other)
}

// Swap replaces the live file by the staged one in one move and keeps the old one as a backup. The live file must still
// be what it was when it was staged.
type Swap struct {
	Host string `json:"-"`
	Path string `json:"swap"`
}

func (o Swap) Target() reconciler.Target { return Host(o.Host) }
func (o Swap) Key() string               { return "swap " + o.Path }
func (o Swap) Merge(other reconciler.Op) (reconciler.Op, error) {
	return same(o, other)
}

// Restore puts back what Swap replaced, if it did.
type Restore struct {
	Host string `json:"-"`
	Path string `json:"restore"`
}

func (o Restore) Target() reconciler.Target { return Host(o.Host) }
func (o Restore) Key() string               { return "restore " + o.Path }
func (o Restore) Merge(other reconciler.Op) (reconciler.Op, error) {
	return same(o, other)
}

// Discard removes the staged file or the backup beside a file.
type Discard struct {
	Host   string `json:"-"`
	Path   string `json:"discard"`
	Staged bool   `json:"staged,omitempty"`
	Backup bool   `json:"backup,omitempty"`
}

func (o Discard) Target() reconciler.Target { return Host(o.Host) }
func (o Discard) Key() string               { return "discard copies of " + o.Path }
func (o Discard) Merge(other reconciler.Op) (reconciler.Op, error) {
	b, ok := other.(Discard)
	if !ok {
		return same(o, other)
	}
	o.Staged, o.Backup = o.Staged || b.Staged, o.Backup || b.Backup
	return o, nil
}

// StopService stops a service and its dependents and waits until they are stopped.
type StopService struct {
	Host    string        `json:"-"`
	Service string        `json:"stop"`
	Timeout time.Duration `json:"timeout"`
	// Name is how outages call it: "Admin", "relay-07".
	Name string `json:"name"`
}

func (o StopService) Target() reconciler.Target { return Host(o.Host) }
func (o StopService) Key() string               { return "stop " + o.Service }
func (o StopService) Merge(other reconciler.Op) (reconciler.Op, error) {
	return same(o, other)
}

// StartService starts a service, and the dependents that its stop took down, and waits until it runs. Whether it stays
// so is for ProveProcess: waiting here would lengthen the outage.
type StartService struct {
	Host    string        `json:"-"`
	Service string        `json:"start"`
	Timeout time.Duration `json:"timeout"`
	Name    string        `json:"name"`
}

func (o StartService) Target() reconciler.Target { return Host(o.Host) }
func (o StartService) Key() string               { return "start " + o.Service }
func (o StartService) Merge(other reconciler.Op) (reconciler.Op, error) {
	return same(o, other)
}

// AwaitReady waits until the Admin API is ready, and remembers every relay's last heartbeat: later proofs demand a
// later one.
type AwaitReady struct {
	Timeout time.Duration `json:"awaitReady"`
}

func (o AwaitReady) Target() reconciler.Target { return API }
func (o AwaitReady) Key() string               { return "await ready" }
func (o AwaitReady) Merge(other reconciler.Op) (reconciler.Op, error) {
	if b, ok := other.(AwaitReady); ok {
		o.Timeout = max(o.Timeout, b.Timeout)
	}
	return o, nil
}

// ReloadLicense makes Admin read the license file again.
type ReloadLicense struct{}

func (o ReloadLicense) Target() reconciler.Target { return API }
func (o ReloadLicense) Key() string               { return "reload license" }
func (o ReloadLicense) Merge(reconciler.Op) (reconciler.Op, error) {
	return o, nil
}

// NoteLicense notes which license is served before the switch. Its undo is a reload, after the old file is back.
type NoteLicense struct{}

func (o NoteLicense) Target() reconciler.Target { return API }
func (o NoteLicense) Key() string               { return "note license" }
func (o NoteLicense) Merge(reconciler.Op) (reconciler.Op, error) {
	return o, nil
}

// ProveRelays waits until every relay is connected with a heartbeat that is later than its restart.
type ProveRelays struct {
	Relays  []string      `json:"proveRelays"`
	Timeout time.Duration `json:"timeout"`
}

func (o ProveRelays) Target() reconciler.Target { return API }
func (o ProveRelays) Key() string               { return "prove relays" }
func (o ProveRelays) Merge(other reconciler.Op) (reconciler.Op, error) {
	return o, fmt.Errorf("two rotations prove the relays")
}

// Without leaves out relays that were left behind.
func (o ProveRelays) Without(left func(string) bool) reconciler.Op {
	o.Relays = slices.DeleteFunc(slices.Clone(o.Relays), left)
	return o
}

// ProveLicense demands that the Admin API serves the license as the declared file says.
type ProveLicense struct {
	Customer string        `json:"proveLicense"`
	Tier     string        `json:"tier"`
	Expires  time.Time     `json:"expires"`
	Timeout  time.Duration `json:"timeout"`
}

func (o ProveLicense) Target() reconciler.Target { return API }
func (o ProveLicense) Key() string               { return "prove license" }
func (o ProveLicense) Merge(other reconciler.Op) (reconciler.Op, error) {
	return same(o, other)
}

// ProveFile demands that the live file is the secret's declared value.
type ProveFile struct {
	Host   string     `json:"-"`
	Path   string     `json:"proveFile"`
	Secret secret.Ref `json:"secret"`
}

func (o ProveFile) Target() reconciler.Target { return Host(o.Host) }
func (o ProveFile) Key() string               { return "prove file " + o.Path }
func (o ProveFile) Merge(other reconciler.Op) (reconciler.Op, error) {
	return same(o, other)
}

// ProveSetting demands that the setting in effect is the secret's declared value.
type ProveSetting struct {
	Host    string     `json:"-"`
	Path    string     `json:"proveSetting"`
	Setting string     `json:"setting"`
	Secret  secret.Ref `json:"secret"`
	Service string     `json:"service"`
}

func (o ProveSetting) Target() reconciler.Target { return Host(o.Host) }
func (o ProveSetting) Key() string               { return "prove " + o.Setting + " in " + o.Path }
func (o ProveSetting) Merge(other reconciler.Op) (reconciler.Op, error) {
	return same(o, other)
}

// ProveProcess demands that a service runs, in a process that started after the file was last written: what it read at
// its start is what the file says.
type ProveProcess struct {
	Host    string `json:"-"`
	Service string `json:"proveProcess"`
	Path    string `json:"path"`
	// Stable is how long the process must have run.
	Stable time.Duration `json:"stable"`
	Name   string        `json:"name"`
}

func (o ProveProcess) Target() reconciler.Target { return Host(o.Host) }
func (o ProveProcess) Key() string               { return "prove process " + o.Service + " " + o.Path }
func (o ProveProcess) Merge(other reconciler.Op) (reconciler.Op, error) {
	return same(o, other)
}

// same merges ops that must be equal.
func same[T interface {
	comparable
	reconciler.Op
}](a T, other reconciler.Op) (reconciler.Op, error) {
	if b, ok := other.(T); !ok || a != b {
		return nil, fmt.Errorf("two rotations want it done differently")
	}
	return a, nil
}
