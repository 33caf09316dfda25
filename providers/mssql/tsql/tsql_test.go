package tsql

import (
	"fmt"
	"strings"
	"testing"

	"meshrotate/reconciler/secret"
)

func TestStatements(t *testing.T) {
	password, old := secret.NewString("new'\"]"), secret.NewString("o''ld")
	for want, got := range map[string]func() (Statement, error){
		"ALTER LOGIN [a] WITH PASSWORD = N'new''\"]'":                              func() (Statement, error) { return SetPassword("a", password) },
		"ALTER LOGIN [b] WITH PASSWORD = N'new''\"]' UNLOCK":                       func() (Statement, error) { return ResetPassword("b", password) },
		"ALTER LOGIN [a]]b] WITH PASSWORD = N'new''\"]' OLD_PASSWORD = N'o''''ld'": func() (Statement, error) { return ChangePassword("a]b", password, old) },
		"ALTER USER [a] WITH PASSWORD = N'new''\"]'":                               func() (Statement, error) { return SetUserPassword("a", password) },
		"ALTER USER [a] WITH PASSWORD = N'new''\"]' OLD_PASSWORD = N'o''''ld'":     func() (Statement, error) { return ChangeUserPassword("a", password, old) },
		"ALTER LOGIN [a 'b'] DISABLE":                                              func() (Statement, error) { return Disable("a 'b'") },
		"ALTER LOGIN [a] ENABLE":                                                   func() (Statement, error) { return Enable("a") },
	} {
		s, err := got()
		if err != nil || string(s.Text().Expose()) != want {
			t.Errorf("%q, want %q: %v", s.Text().Expose(), want, err)
		}
		if shown := fmt.Sprintf("%v %+v %#v %s %q %x", s, s, s, s, s, []any{s, &s}); strings.Contains(shown, "new") || !strings.Contains(shown, "ALTER") {
			t.Errorf("shown: %s", shown)
		}
	}
}

func TestANameIsShownOnOneLine(t *testing.T) {
	s, err := Disable("a\nb\x1b[2J\u202ec")
	if err != nil || s.String() != "ALTER LOGIN [a\ufffdb\ufffd[2J\ufffdc] DISABLE" {
		t.Errorf("%q, %v", s.String(), err)
	}
}

func TestUnfitNamesAndPasswords(t *testing.T) {
	for why, bad := range map[string]string{
		"empty":             "",
		"NUL":               "CANARY\x00",
		"not UTF-8":         "CANARY\xed\xa0\x80",
		"129 characters":    "CANARY" + strings.Repeat("x", 123),
		"129 UTF-16 units":  "CANARY" + strings.Repeat("🔑", 61) + "x",
		"line continuation": "CANARY\\\nx",
		"the same with CR":  "CANARY\\\r\nx",
	} {
		good := secret.NewString("x")
		for _, f := range []func() (Statement, error){
			func() (Statement, error) { return SetPassword(bad, good) },
			func() (Statement, error) { return SetPassword("x", secret.NewString(bad)) },
			func() (Statement, error) { return ChangePassword("x", good, secret.NewString(bad)) },
			func() (Statement, error) { return Disable(bad) },
		} {
			s, err := f()
			if err == nil || !s.Text().IsZero() {
				t.Errorf("%s: not refused", why)
			} else if strings.Contains(err.Error(), "CANARY") {
				t.Errorf("%s: the error shows it: %v", why, err)
			}
		}
	}
	if _, err := SetPassword("x", secret.Value{}); err == nil {
		t.Error("no password is none to set")
	}
}
