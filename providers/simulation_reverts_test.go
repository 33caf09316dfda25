package providers_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"meshrotate/providers/lab"
)

// drawReverts takes commits back before one more run of some schedules, as people do when a run was cut off; with numbers of its own.
func drawReverts(s *schedule) {
	r := rand.New(rand.NewPCG(s.Seed, 12))
	if r.IntN(2) != 0 {
		return
	}
	s.Runs = append(s.Runs, episode{Wait: r.IntN(3) * r.IntN(400), Unlock: true, Revert: true})
}

// revert asks for the versions before: of the relay key and the license when there was another commit, of the SQL login, and of the account,
// which has its old password in the domain again.
func (u *universe) revert() {
	var back episode
	if version, err := strconv.Atoi(u.wantKey); err == nil && u.wantKey != lab.NewKey {
		back.Key = strconv.Itoa(version - 1)
	}
	if u.wantLicense != lab.NewLicense {
		back.License = lab.NewLicense
	}
	if version, err := strconv.Atoi(u.login.want); err == nil && (u.Login == "single" || u.Login == "alternating") {
		back.Login = strconv.Itoa(version - 1)
	}
	u.commit(back)
	if u.accountGoes() {
		old, _ := u.w.lab.AccountPasswords()
		u.account(lab.NewAccount, lab.OldAccount, old)
	}
	u.scheduler.Note("revert: relay key %s, license %s, SQL login %s, account's old password: %v", u.wantKey, u.wantLicense, u.login.want, u.reverted)
}

// unrevert asks for the account's new password again.
func (u *universe) unrevert() {
	if u.reverted {
		u.account(lab.OldAccount, lab.NewAccount, u.newPassword())
	}
}

// accountGoes says that a person may change the account's password back: where meshrotate changes it nobody does.
func (u *universe) accountGoes() bool { return u.Account != "" && u.ChangedBy == "" }

func (u *universe) account(from, to, password string) {
	u.reverted = to == lab.OldAccount
	u.w.lab.Directory().Set(lab.Account, password)
	u.text = strings.Replace(u.text, fmt.Sprintf("version: %s\n", from), fmt.Sprintf("version: %s\n", to), 1)
	u.commit(episode{})
}

// wantAccount is the password that the document asks for.
func (u *universe) wantAccount() string {
	old, next := u.w.lab.AccountPasswords()
	if u.reverted {
		return old
	}
	return next
}
