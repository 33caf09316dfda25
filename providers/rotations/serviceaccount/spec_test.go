package serviceaccount_test

import (
	"strings"
	"testing"

	"meshrotate/providers/rotations/serviceaccount"
	"meshrotate/reconciler/rotationtest"
	"meshrotate/specs"
)

const frame = `apiVersion: meshrotate/v1
kind: Deployment
name: contoso-prod
hosts: {admin: im-admin.contoso.example, relays: ["relay-[1..3].contoso.example"]}
connect:
  winrm: {auth: ntlm, user: 'CONTOSO\rotator', password: {env: A}, kerberos: {realm: CONTOSO.EXAMPLE}}
  adminApi: {url: "https://im-admin.contoso.example"}
  hosts:
    relay-1.contoso.example: {user: 'dmz-rotator@dmz.example', password: {env: B}}
policy: {unreachable: {tolerate: [relay-3.contoso.example]}}
secrets:
  serviceAccounts:
`

func document(section string) (*specs.Deployment, error) {
	return rotationtest.Document(serviceaccount.Kind(), frame, section)
}

func TestSection(t *testing.T) {
	const services = "services: [IdentityMeshAdmin, IdentityMeshEngine]"
	for _, c := range []struct{ section, says string }{
		{"- {" + services + ", account: 'CONTOSO\\svc-im', version: 3, from: {env: SVC}}", ""},
		{"- {services: [identitymeshadmin], account: svc-im@contoso.example, version: 3, from: {file: svc.age}, restart: later}", ""},
		{"- {" + services + ", account: 'CONTOSO\\gmsa-im$'}\n- {services: [IdentityMeshRelayAgent], account: '.\\relay', version: a, from: {env: R}}", ""},
		{"- {services: [IdentityMeshEngine], account: 'NT SERVICE\\IdentityMeshEngine'}", ""},
		{"- {services: [IdentityMeshEngine], account: LocalSystem}", ""},
		{"- {services: [W3SVC], account: 'CONTOSO\\svc-im', version: 3, from: {env: SVC}}", "not a service of the product"},
		{"- {services: [], account: 'CONTOSO\\svc-im', version: 3, from: {env: SVC}}", "services"},
		{"- {" + services + ", account: svc-im, version: 3, from: {env: SVC}}", "whose account it is"},
		{"- {" + services + ", account: 'CONTOSO\\svc-im', from: {env: SVC}}", "version"},
		{"- {" + services + ", account: 'CONTOSO\\svc-im', version: 3}", "from"},
		{"- {" + services + ", account: 'CONTOSO\\svc-im', version: 3, from: generated}", "cannot be generated here"},
		{"- {" + services + ", account: 'CONTOSO\\svc-im', version: 3, from: generated, changedBy: kpasswd}", ""},
		{"- {" + services + ", account: 'CONTOSO\\svc-im', version: 3, from: {env: SVC}, changedBy: ldap}", "changedBy"},
		{"- {" + services + ", account: '.\\svc-im', version: 3, from: {env: SVC}, changedBy: kpasswd}", "in no domain"},
		{"- {" + services + ", account: 'CONTOSO\\gmsa-im$', changedBy: kpasswd}", "none to change"},
		{"- {" + services + ", account: 'CONTOSO\\svc-im', version: 3, from: {file: svc.txt}}", "plain file"},
		{"- {" + services + ", account: 'CONTOSO\\gmsa-im$', version: 3, from: {env: SVC}}", "none to rotate"},
		{"- {" + services + ", account: 'CONTOSO\\svc-im', version: 3, from: {env: SVC}, restart: window}", "restartIn"},
		{"- {" + services + ", account: 'CONTOSO\\svc-im', version: 3, from: {env: SVC}, restart: window, restartIn: [Sat 02:00-05:00 Europe/Zurich]}", ""},
		{"- {" + services + ", account: 'CONTOSO\\svc-im', version: 3, from: {env: SVC}, restart: window, restartIn: [Sat 2-5 Europe/Zurich]}", "no hours"},
		{"- {" + services + ", account: 'CONTOSO\\svc-im', version: 3, from: {env: SVC}, restartIn: [Sat 02:00-05:00 Europe/Zurich]}", "restart is now"},
		{"- {services: [IdentityMeshAdmin], account: 'A\\x', version: 3, from: {env: S}}\n- {services: [IdentityMeshAdmin], account: 'A\\y', version: 3, from: {env: S}}", "runs as one account"},
		{"- {services: [IdentityMeshAdmin], account: 'A\\x', version: 3, from: {env: S}}\n- {services: [IdentityMeshEngine], account: 'a\\X', version: 3, from: {env: S}}", "is there twice"},
		{"- {" + services + ", account: 'contoso\\Rotator', version: 3, from: {env: SVC}}", "meshrotate itself signs in"},
		{"- {" + services + ", account: rotator@contoso.example, version: 3, from: {env: SVC}}", "meshrotate itself signs in"},
		{"- {" + services + ", account: 'DMZ\\dmz-rotator', version: 3, from: {env: SVC}}", "meshrotate itself signs in"},
		{"- {" + services + ", account: 'OTHER\\rotator', version: 3, from: {env: SVC}}", ""},
		{"- {" + services + ", account: 'CONTOSO\\\\rotator', version: 3, from: {env: SVC}}", "more than one backslash"},
		{"- {" + services + ", account: 'CONTOSO\\svc:im', version: 3, from: {env: SVC}}", "takes none with"},
		{"- {" + services + ", account: 'CONTOSO\\ svc-im', version: 3, from: {env: SVC}}", "blank"},
		{"- {" + services + ", account: 'CONTOSO\\', version: 3, from: {env: SVC}}", "a part is missing"},
		{"- {services: [IdentityMeshAdmin], account: 'A\\x', version: 3, from: {env: S}}\n- {services: [IdentityMeshEngine], account: 'x@a.example', version: 3, from: {env: S}}", "cannot be told apart"},
		{"- {services: [IdentityMeshAdmin], account: 'A\\x', version: 3, from: {env: S}}\n- {services: [IdentityMeshEngine], account: 'B\\x', version: 3, from: {env: S}}", ""},
	} {
		d, err := document(c.section)
		switch {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", c.section, err)
		case c.says == "" && (*d.Secrets["serviceAccounts"].(*serviceaccount.Spec))[0].Restart == "":
			t.Errorf("%s: no default", c.section)
		case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: not refused with %q: %v", c.section, c.says, err)
		}
	}
}

// Every account that meshrotate signs in with is known: those of a state in SQL Server and of tickets in a cache, too.
func TestWhoMeshrotateIs(t *testing.T) {
	const section = "- {services: [IdentityMeshEngine], account: 'CONTOSO\\svc-im', version: 3, from: {env: SVC}}"
	cache := strings.Replace(frame, "auth: ntlm, user: 'CONTOSO\\rotator', password: {env: A}, kerberos: {realm: CONTOSO.EXAMPLE}", "kerberos: {cache: /tmp/krb5cc_0}", 1)
	for _, c := range []struct{ frame, says string }{
		{strings.Replace(frame, "policy:", "state: {sql: {server: sql02, auth: ntlm, user: 'CONTOSO\\svc-im', password: {env: A}}}\npolicy:", 1), "meshrotate itself signs in"},
		{strings.Replace(frame, "policy:", "state: {sql: {server: sql02, user: svc-im, password: {env: A}}}\npolicy:", 1), ""},
		{cache, "whose tickets"},
		{strings.Replace(cache, "kerberos: {cache", "user: rotator@CONTOSO.EXAMPLE, kerberos: {cache", 1), ""},
		{strings.Replace(cache, "kerberos: {cache", "user: svc-im@CONTOSO.EXAMPLE, kerberos: {cache", 1), "meshrotate itself signs in"},
	} {
		if _, err := rotationtest.Document(serviceaccount.Kind(), c.frame, section); c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("not %q: %v", c.says, err)
		}
	}
}

// An account changes its password in a realm that the document names: another, that this machine takes for its own, is asked nothing.
func TestRealmOfAnAccount(t *testing.T) {
	unnamed := strings.Replace(frame, ", kerberos: {realm: CONTOSO.EXAMPLE}", "", 1)
	for account, known := range map[string]bool{`CONTOSO\svc-im`: false, `contoso.example\svc-im`: true, `svc-im@contoso.example`: true} {
		section := "- {services: [IdentityMeshAdmin], account: '" + account + "', version: 3, from: generated, changedBy: kpasswd}"
		if _, err := rotationtest.Document(serviceaccount.Kind(), unnamed, section); known != (err == nil) || err != nil && !strings.Contains(err.Error(), "which Kerberos realm") {
			t.Errorf("%s: %v", account, err)
		}
	}
}

// A password that was copied with something around it is never tried.
func TestPasswordThatFits(t *testing.T) {
	d, err := document("- {services: [IdentityMeshAdmin], account: 'CONTOSO\\svc-im', version: 3, from: {env: SVC}}\n- {services: [IdentityMeshEngine], account: LocalSystem}")
	if err != nil {
		t.Fatal(err)
	}
	needed := serviceaccount.Kind().Values(d.Secrets["serviceAccounts"])
	if len(needed) != 1 || needed[0].Ref.String() != "serviceaccount-contoso-svc-im 3" {
		t.Fatalf("%+v", needed)
	}
	for password, fits := range map[string]bool{
		"a b": true, strings.Repeat("x", 256): true, "ä 鍵 😀": true,
		"": false, " a": false, "a ": false, "a\n": false, "a\nb": false, "a\x00b": false, "a\tb": false, strings.Repeat("x", 257): false, strings.Repeat("😀", 129): false,
	} {
		if err := needed[0].Check([]byte(password), nil); (err == nil) != fits {
			t.Errorf("%q: %v", password, err)
		}
	}
}

// No spelling of the account that meshrotate signs in with is taken for another's.
func TestOwnAccountInOtherSpellings(t *testing.T) {
	for _, c := range []struct {
		own, account string
		refused      bool
	}{
		{`im_rotator@contoso.example`, `contoso.example\im_rotator`, true},
		{`CONTOSO\im_rotator`, `contoso.example\IM_Rotator`, true},
		{`LAB\im_rotator`, `im_rotator@corp.contoso.example`, true},
		{`im_rotator@corp.contoso.example`, `CONTOSO\im_rotator`, true},
		{`im_rotator@corp.contoso.example`, `contoso.example\im_rotator`, true},
		{`im_rotator`, `CONTOSO\im_rotator`, true},
		{`im_rotator`, `.\im_rotator`, true},
		{`IM-ADMIN\im_rotator`, `.\im_rotator`, true},
		{`CONTOSO\im_rotator`, `.\im_rotator`, false},
		{`CONTOSO\im_rotator`, `OTHER\im_rotator`, false},
		{`im_rotator@contoso.example`, `im_rotator@fabrikam.example`, false},
		{`CONTOSO\im_rotator`, `im_rotator2@contoso.example`, false},
	} {
		f := strings.Replace(frame, `'CONTOSO\rotator'`, "'"+c.own+"'", 1)
		_, err := rotationtest.Document(serviceaccount.Kind(), f, "- {services: [IdentityMeshEngine], account: '"+c.account+"', version: 3, from: {env: SVC}}")
		if refused := err != nil && strings.Contains(err.Error(), "meshrotate itself signs in"); refused != c.refused || !refused && err != nil {
			t.Errorf("%s and %s: %v", c.own, c.account, err)
		}
	}
}
