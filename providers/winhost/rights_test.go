package winhost_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// functionOf is a function of host.ps1, with its name.
func functionOf(t *testing.T, name string) string {
	t.Helper()
	script, err := os.ReadFile("host.ps1")
	if err != nil {
		t.Fatal(err)
	}
	f := regexp.MustCompile(`(?ms)^function ` + name + `\b.*?^}$`).Find(script)
	if f == nil {
		t.Fatalf("host.ps1 has no function %s", name)
	}
	return string(f)
}

// runs is what PowerShell writes of a script, by lines.
func runs(t *testing.T, script string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "test.ps1")
	if err := os.WriteFile(file, []byte("Set-StrictMode -Version 2; $ErrorActionPreference = 'Stop'\n"+script), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(find(t, "pwsh"), "-File", file).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.Split(strings.TrimSpace(strings.ReplaceAll(string(out), "\r", "")), "\n")
}

// What ordinary users may do is what one of them may, by Windows' rules: what others are denied hides nothing, and of the rules that are
// for somebody the first about a right decides. The rules are stand-ins for FileSystemAccessRule, which Linux does not have.
func TestRightsByRules(t *testing.T) {
	const everyone, interactive, authenticated, users, guests, domainUsers, admins = "S-1-1-0", "S-1-5-4", "S-1-5-11", "S-1-5-32-545", "S-1-5-32-546", "S-1-5-21-1-2-3-513", "S-1-5-32-544"
	const full, modify, read, genericAll, genericRead = 0x1F01FF, 0x1301BF, 0x120089, 0x10000000, -0x80000000
	type rule struct {
		sid    string
		rights int
		deny   bool
		inner  bool // for what is in it alone
	}
	cases := []struct {
		reason string
		rules  []rule
		may    int
	}{
		{"nobody but administrators", []rule{{admins, full, false, false}}, 0},
		{"users modify", []rule{{users, modify, false, false}}, modify},
		{"guests are denied, users are not", []rule{{guests, full, true, false}, {users, modify, false, false}}, modify},
		{"guests are denied, everyone else is not", []rule{{guests, full, true, false}, {everyone, full, false, false}}, full},
		{"everyone is denied", []rule{{everyone, full, true, false}, {users, modify, false, false}, {guests, modify, false, false}}, 0},
		{"users are denied what they are given elsewhere", []rule{{users, full, true, false}, {authenticated, modify, false, false}}, 0},
		{"users are denied, and guests are not among them", []rule{{users, full, true, false}, {everyone, read, false, false}}, read},
		{"a deny that comes later", []rule{{users, read, false, false}, {users, full, true, false}, {users, modify, false, false}}, read},
		{"a part is denied", []rule{{users, read, true, false}, {users, full, false, false}}, full &^ read},
		{"who is at the host is denied, and not from afar", []rule{{interactive, full, true, false}, {users, modify, false, false}}, modify},
		{"who is at the host may more", []rule{{users, read, false, false}, {interactive, modify, false, false}}, modify},
		{"a domain's users are denied, and not those of the host", []rule{{domainUsers, full, true, false}, {users, modify, false, false}}, modify},
		{"a domain's users may", []rule{{domainUsers, modify, false, false}}, modify},
		{"all of it by one right", []rule{{users, genericAll, false, false}}, genericAll | full},
		{"to read, by one right", []rule{{everyone, genericRead, false, false}}, genericRead | read},
		{"for what is in it alone", []rule{{users, full, false, true}}, 0},
		{"denied for what is in it alone", []rule{{users, full, true, true}, {users, read, false, false}}, read},
	}
	var b strings.Builder
	b.WriteString(`class Id { [string]$Value }
class Rule { [int]$PropagationFlags = 0; [Id]$IdentityReference = [Id]::new(); [int]$FileSystemRights; [string]$AccessControlType }
class Rules { [object[]]$all; [object[]] GetAccessRules([bool]$a, [bool]$b, [object]$c) { return $this.all } }
function New-Rule([string]$sid, [int]$rights, [string]$type, [int]$inner) { $r = [Rule]::new(); $r.IdentityReference.Value = $sid; $r.FileSystemRights = $rights; $r.AccessControlType = $type; $r.PropagationFlags = $inner; $r }
function Get-HostAcl($path, $sections) { $o = [Rules]::new(); $o.all = $global:rules; $o }
`)
	fmt.Fprintf(&b, "%s\n$file = %s\n", functionOf(t, "Get-HostRights"), quoted(filepath.Join("host.ps1")))
	for _, c := range cases {
		var rules []string
		for _, r := range c.rules {
			rules = append(rules, fmt.Sprintf("(New-Rule '%s' %d '%s' %d)", r.sid, r.rights, map[bool]string{true: "Deny", false: "Allow"}[r.deny], map[bool]int{true: 2}[r.inner]))
		}
		fmt.Fprintf(&b, "$global:rules = @(%s); Get-HostRights $file\n", strings.Join(rules, ", "))
	}
	got := runs(t, b.String())
	if len(got) != len(cases) {
		t.Fatalf("%q", got)
	}
	for i, c := range cases {
		if got[i] != fmt.Sprint(c.may) {
			t.Errorf("%s: %s, want %d", c.reason, got[i], c.may)
		}
	}
}

// A folder that is a link is told, like a file that lies deeper: what lies behind it is not looked at, and it may lead in a circle.
func TestLinksBelow(t *testing.T) {
	dir := t.TempDir()
	for _, path := range []string{"plain/sub/readme.txt", "deep/sub/Old.DLL", "linked/a.dll", "circle/a.dll", "within/sub/a.txt", "elsewhere/Old.dll"} {
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(path)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, path), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"linked/link": "elsewhere", "circle/link": "circle", "within/sub/link": "elsewhere"} {
		if err := os.Symlink(filepath.Join(dir, to), filepath.Join(dir, link)); err != nil {
			t.Skip("no links here: ", err)
		}
	}
	want := map[string]string{"plain": "", "deep": "deep/sub/Old.DLL", "linked": "linked/link", "circle": "circle/link", "within": "within/sub/link"}
	for folder, below := range want {
		if below != "" {
			below = filepath.Join(dir, below)
		}
		got := runs(t, functionOf(t, "Find-Below")+"\n'[' + (Find-Below "+quoted(filepath.Join(dir, folder))+" '.dll') + ']'")
		if len(got) != 1 || got[0] != "["+below+"]" {
			t.Errorf("%s: %q, want %q", folder, got, below)
		}
	}
}
