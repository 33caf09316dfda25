package site

import (
	"meshrotate/reconciler"
	"meshrotate/reconciler/secret"
)

// Domain is the directory that accounts are of, as a target.
var Domain = reconciler.Target{Kind: reconciler.DomainTarget}

// ChangePassword lets an account change its own password, from one version of a secret to another. Where the account has the new
// one already, it is done.
type ChangePassword struct {
	Account string     `json:"account"`
	Old     secret.Ref `json:"old"`
	Secret  secret.Ref `json:"secret"`
}

func (o ChangePassword) Kind() string              { return "change-password" }
func (o ChangePassword) Target() reconciler.Target { return Domain }
func (o ChangePassword) Key() string               { return "change the password of " + o.Account }
func (o ChangePassword) Says() reconciler.Phrase {
	return reconciler.Phrase{Do: o.Account + " changes its own password in the domain"}
}
func (o ChangePassword) Merge(other reconciler.Op) (reconciler.Op, error) { return same(o, other) }
