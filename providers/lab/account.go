package lab

import (
	"fmt"

	"meshrotate/providers/lab/machine"
)

// Account is the domain's account that Admin and Engine run as, and AccountSecret how its password is called.
const (
	Account       = Domain + `\svc-im`
	AccountSecret = "serviceaccount-lab-svc-im"
	// OldAccount and NewAccount are the versions of its password.
	OldAccount, NewAccount = "2", "3"
)

// lockAfter is how many wrong passwords lock an account of the domain out.
const lockAfter = 3

// domain is the lab's: its accounts, and the passwords that the document speaks of.
type domain struct {
	machine.Directory
	old, next string
}

// startDomain makes the account with its old password.
func (l *Lab) startDomain() {
	d := &l.domain
	d.LockAfter, d.old, d.next = lockAfter, random(18), random(18)
	d.Set(Account, d.old)
	d.Set(Domain+`\gmsa-im$`, "")
}

// join lets the host know the domain's accounts. The one may log on as a service where the product runs.
func (l *Lab) join(h *Host) {
	h.Machine.Directory = &l.domain.Directory
	h.Machine.Allow(Account, true)
	h.Machine.Allow(Domain+`\gmsa-im$`, true)
}

// changePassword is what the domain's administrators do before the document asks for it: from then on a service that starts
// with the old password is refused, and one that runs goes on.
func (l *Lab) changePassword() { l.domain.Set(Account, l.domain.next) }

// Directory has the domain's accounts.
func (l *Lab) Directory() *machine.Directory { return &l.domain.Directory }

// AccountPasswords are the old and the new password of the account.
func (l *Lab) AccountPasswords() (old, next string) { return l.domain.old, l.domain.next }

// accountSection is what the document says of the account.
func (l *Lab) accountSection() string {
	if l.config.Account == "" {
		return ""
	}
	version := NewAccount
	if l.config.Converged {
		version = OldAccount
	}
	return fmt.Sprintf("  serviceAccounts:\n    - services: [%s, %s]\n      account: '%s'\n      version: %s\n      from: {env: IM_LAB_ACCOUNT_PASSWORD}\n      every: 90d\n      restart: %s\n",
		AdminService, EngineService, Account, version, l.config.Account)
}
