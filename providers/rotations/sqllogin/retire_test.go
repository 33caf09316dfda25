package sqllogin_test

import (
	"slices"
	"strings"
	"testing"

	"meshrotate/providers/site"
	"meshrotate/reconciler"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/state"
)

// Several logins were replaced: each is named, and nobody says by which one.
func TestSeveralLoginsReplaced(t *testing.T) {
	s := live("alternating", b)
	s.servers[sql1].seen.Logins = []site.LoginSeen{{Name: "im_old", Exists: true}}
	proof := site.ProveSessions{Login: b, Serves: true, Leaves: site.WriteReplaced([]site.Replaced{{Login: a}, {Login: "im_old"}})}
	s.history = append(s.history, state.Entry{Secret: "sqllogin", Version: "12", Step: "verify/" + proof.Key(), Outcome: state.Done, Time: written, Facts: proof.Facts(written)})
	if c := s.plan(t); c.Status != reconciler.AsDeclared || !strings.Contains(c.Reason, a+" is to be disabled from 2026-11-08 on; im_old is to be disabled from 2026-11-08 on") {
		t.Errorf("%s: %s", c.Status, c.Reason)
	}
	s.now = now.AddDate(0, 1, 0)
	c := s.plan(t)
	if c.Status != reconciler.Rotate || !strings.HasPrefix(c.Reason, a+" and im_old were replaced, the soak") {
		t.Errorf("%s: %s", c.Status, c.Reason)
	}
	for _, login := range []string{a, "im_old"} {
		if find(c, reconciler.Retire, "retire login "+login, sql1) == nil {
			t.Errorf("%s is not disabled: %+v", login, rotationtest.Steps(c))
		}
	}
}

// A login that was replaced and is not found is ended by nobody who has not looked for it as what it may be.
func TestReplacedLoginThatIsNotFound(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(x *site.InstanceSeen)
		ends   string // by which database, "login" for an end of a login, "" for none
		said   string
	}{
		{"it is gone", func(x *site.InstanceSeen) {}, "", ""},
		{"it is gone from the contained database", func(x *site.InstanceSeen) { x.Database.Contained, x.Database.MayAlterUsers = true, true }, "", ""},
		{"a login", func(x *site.InstanceSeen) { x.Logins = []site.LoginSeen{{Name: "im_old", Exists: true}} }, "login", ""},
		{"a login beside a contained database", func(x *site.InstanceSeen) {
			x.Logins, x.Database.Contained = []site.LoginSeen{{Name: "im_old", Exists: true}}, true
		}, "login", ""},
		{"a user", func(x *site.InstanceSeen) {
			x.Database.Contained, x.Database.MayAlterUsers, x.Database.Users = true, true, []string{"IM_old"}
		}, "IdentityMesh", ""},
		{"a user out of reach", func(x *site.InstanceSeen) { x.Database.Contained, x.Database.Users = true, []string{"im_old"} }, "", "may not alter the users of IdentityMesh"},
		{"perhaps a user", func(x *site.InstanceSeen) { x.Database.Contained, x.Database.UsersWhy = true, "no user there" }, "", "is not known: no user there"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := live("alternating", b)
			proof := site.ProveSessions{Login: b, Serves: true, Leaves: "im_old"}
			s.history = append(s.history, state.Entry{Secret: "sqllogin", Version: "12", Step: "verify/" + proof.Key(), Outcome: state.Done, Time: written, Facts: proof.Facts(written)})
			s.now = now.AddDate(0, 1, 0)
			c.change(&s.servers[sql1].seen)
			plan := s.plan(t)
			ends := ""
			if step := find(plan, reconciler.Retire, "retire login im_old", sql1); step != nil {
				if ends = step.Op.(site.RetireLogin).Database; ends == "" {
					ends = "login"
				}
			}
			said := ""
			for _, f := range plan.Findings {
				if f.Code == "old-login-stays" {
					said = f.Text
				}
			}
			if ends != c.ends || (said == "") != (c.said == "") || !strings.Contains(said, c.said) {
				t.Errorf("ends %q, said %q", ends, said)
			}
		})
	}
}

// A login that was replaced, and is not declared any more, is not disabled while a string under another key names it: that is said.
func TestReplacedLoginThatAFileNames(t *testing.T) {
	for _, mode := range []string{"alternating", "single"} {
		for _, names := range []string{"im_old", "im_reports"} {
			s := live(mode, b)
			if mode == "single" {
				s.spec.Login = b
			}
			s.servers[sql1].seen.Logins = []site.LoginSeen{{Name: "im_old", Exists: true}}
			proof := site.ProveSessions{Login: b, Serves: true, Leaves: "im_old"}
			s.history = append(s.history, state.Entry{Secret: "sqllogin", Version: "12", Step: "verify/" + proof.Key(), Outcome: state.Done, Time: written, Facts: proof.Facts(written)})
			s.now = now.AddDate(0, 1, 0)
			s.hosts[admin].setting.Beside = []site.BesideSeen{{Key: "ConnectionStrings:Reporting", Path: `C:\admin.json`, Connection: site.Connection{Server: sql1, User: names}}}
			c := s.plan(t)
			held := names == "im_old"
			if ends := find(c, reconciler.Retire, "retire login im_old", sql1) != nil; ends == held {
				t.Errorf("%s, %s: it is disabled: %v", mode, names, ends)
			}
			said := false
			for _, f := range c.Findings {
				said = said || f.Code == "string-beside" && strings.Contains(f.Text, "with im_old")
			}
			if said != held || held && (len(c.Overlaps) != 1 || c.Overlaps[0].Held == "") {
				t.Errorf("%s, %s: said %v, overlaps %+v", mode, names, said, c.Overlaps)
			}
		}
	}
}

// Windows signs in, and the document has no SQL Server any more: nobody sees whether the login of before is ended, and that is said.
func TestLoginThatStaysUnseen(t *testing.T) {
	for _, retire := range []string{"disable", "keep"} {
		s := newScene("integrated")
		s.spec.Retire = retire
		s.both(func(h *hostSeen) { h.says.Integrated, h.says.User, h.setting.Version = true, "", "unknown" })
		proof := site.ProveSessions{Login: b, Serves: true}
		s.history = append(s.history, state.Entry{Secret: "sqllogin", Version: "12", Step: "verify/" + proof.Key(), Outcome: state.Done, Time: written, Facts: proof.Facts(written)})
		c := s.plan(t)
		said := slices.ContainsFunc(c.Findings, func(f reconciler.Finding) bool {
			return f.Code == "old-login-stays" && f.Severity == reconciler.Warning && strings.Contains(f.Text, "nobody looks at")
		})
		if c.Status != reconciler.AsDeclared || said != (retire == "disable") {
			t.Errorf("%s: %s, %+v", retire, c.Status, c.Findings)
		}
	}
}
