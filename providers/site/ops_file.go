package site

import (
	"fmt"
	"slices"

	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// KeyEdit is one value of a settings file.
type KeyEdit struct {
	Setting string     `json:"setting"`
	Secret  secret.Ref `json:"secret"`
	Form    Form       `json:"form,omitzero"`
}

// StageSettings writes the edited settings file beside the live one. The live one must still be what this run has read.
type StageSettings struct {
	Host  string    `json:"-"`
	Path  string    `json:"path"`
	Edits []KeyEdit `json:"edits,omitempty"`
	// Lists are the lists that change, too.
	Lists []ListEdit `json:"lists,omitempty"`
	Who
}

func (o StageSettings) Kind() string              { return "stage-settings" }
func (o StageSettings) Target() reconciler.Target { return Host(o.Host) }
func (o StageSettings) Key() string               { return "stage " + o.Path }
func (o StageSettings) Stages() string            { return o.Path }
func (o StageSettings) Says() reconciler.Phrase   { return o.says("stage on") }

// Merge joins the edits: two edits of one file are one write.
func (o StageSettings) Merge(other reconciler.Op) (reconciler.Op, error) {
	b, ok := other.(StageSettings)
	if !ok {
		return nil, fmt.Errorf("two rotations want %s to be different files", o.Path)
	}
	var err error
	if o.Lists, err = mergeLists(o.Lists, b.Lists); err != nil {
		return nil, err
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
	Path   string     `json:"path"`
	Secret secret.Ref `json:"secret"`
	// What it is, for people: "Contoso Ltd, Enterprise, expires 2027-11-30".
	What string `json:"what,omitempty"`
	Who
}

func (o StageFile) Kind() string              { return "stage-file" }
func (o StageFile) Target() reconciler.Target { return Host(o.Host) }
func (o StageFile) Key() string               { return "stage " + o.Path }
func (o StageFile) Stages() string            { return o.Path }
func (o StageFile) Says() reconciler.Phrase {
	if o.What != "" {
		return o.says("stage the file of " + o.What + " on")
	}
	return o.says("stage on")
}
func (o StageFile) Merge(other reconciler.Op) (reconciler.Op, error) {
	return same(o, other)
}

// Swap replaces the live file by the staged one in one move and keeps the old one as a backup. The live file must still
// be what it was when it was staged.
type Swap struct {
	Host string `json:"-"`
	Path string `json:"path"`
	Who
}

func (o Swap) Kind() string              { return "swap" }
func (o Swap) Target() reconciler.Target { return Host(o.Host) }
func (o Swap) Key() string               { return "swap " + o.Path }
func (o Swap) Swaps() string             { return o.Path }
func (o Swap) Holds() string             { return shortName(o.Path) }
func (o Swap) Makes() string             { return backupOf(o.Path) }
func (o Swap) Says() reconciler.Phrase   { return o.says("replace " + baseName(o.Path)) }
func (o Swap) Merge(other reconciler.Op) (reconciler.Op, error) {
	return same(o, other)
}

// Restore puts back what Swap replaced, if it did.
type Restore struct {
	Host string `json:"-"`
	Path string `json:"path"`
	Who
}

func (o Restore) Kind() string              { return "restore" }
func (o Restore) Target() reconciler.Target { return Host(o.Host) }
func (o Restore) Key() string               { return "restore " + o.Path }
func (o Restore) Swaps() string             { return o.Path }
func (o Restore) Says() reconciler.Phrase   { return o.says("put back " + baseName(o.Path)) }
func (o Restore) Merge(other reconciler.Op) (reconciler.Op, error) {
	return same(o, other)
}

// Discard removes the staged file or the backup beside a file.
type Discard struct {
	Host   string `json:"-"`
	Path   string `json:"path"`
	Staged bool   `json:"staged,omitempty"`
	Backup bool   `json:"backup,omitempty"`
}

func (o Discard) Kind() string              { return "discard" }
func (o Discard) Target() reconciler.Target { return Host(o.Host) }
func (o Discard) Key() string               { return "discard copies of " + o.Path }
func (o Discard) Holds() string {
	if !o.Backup {
		return ""
	}
	return backupOf(o.Path)
}

func backupOf(path string) string { return "the backup of " + shortName(path) }

func (o Discard) Says() reconciler.Phrase {
	return reconciler.Phrase{Do: "remove the backups and staged files"}
}
func (o Discard) Merge(other reconciler.Op) (reconciler.Op, error) {
	b, ok := other.(Discard)
	if !ok {
		return same(o, other)
	}
	o.Staged, o.Backup = o.Staged || b.Staged, o.Backup || b.Backup
	return o, nil
}

// ProveFile demands that the live file is the secret's declared value.
type ProveFile struct {
	Host   string     `json:"-"`
	Path   string     `json:"path"`
	Secret secret.Ref `json:"secret"`
	Who
}

func (o ProveFile) Kind() string              { return "prove-file" }
func (o ProveFile) Target() reconciler.Target { return Host(o.Host) }
func (o ProveFile) Key() string               { return "prove file " + o.Path }
func (o ProveFile) Says() reconciler.Phrase   { return o.says("the file on") }
func (o ProveFile) Merge(other reconciler.Op) (reconciler.Op, error) {
	return same(o, other)
}

// ProveAsBefore demands that the live file is what this run read at its beginning.
type ProveAsBefore struct {
	Host string `json:"-"`
	Path string `json:"path"`
	Who
}

func (o ProveAsBefore) Kind() string              { return "prove-as-before" }
func (o ProveAsBefore) Target() reconciler.Target { return Host(o.Host) }
func (o ProveAsBefore) Key() string               { return "prove as before " + o.Path }
func (o ProveAsBefore) Says() reconciler.Phrase   { return o.says("the old " + baseName(o.Path) + " on") }
func (o ProveAsBefore) Merge(other reconciler.Op) (reconciler.Op, error) {
	return same(o, other)
}

// ProveSetting demands that the setting in effect is the secret's declared value.
type ProveSetting struct {
	Host    string     `json:"-"`
	Path    string     `json:"path"`
	Setting string     `json:"setting"`
	Secret  secret.Ref `json:"secret"`
	Service string     `json:"service"`
	Form    Form       `json:"form,omitzero"`
	Who
}

func (o ProveSetting) Kind() string              { return "prove-setting" }
func (o ProveSetting) Target() reconciler.Target { return Host(o.Host) }
func (o ProveSetting) Key() string               { return "prove " + o.Setting + " in " + o.Path }
func (o ProveSetting) Says() reconciler.Phrase {
	return o.says("version " + o.Secret.Version + " in force on")
}
func (o ProveSetting) Merge(other reconciler.Op) (reconciler.Op, error) {
	return same(o, other)
}
