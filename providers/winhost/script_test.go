package winhost_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"meshrotate/providers/winhost"
	"meshrotate/providers/winhost/process"
	"meshrotate/providers/winhost/winhosttest"
	"meshrotate/reconciler/secret"
)

// What Windows does only under conditions that a test cannot make: a function of the script is replaced by one that
// behaves so. The file a.json holds "old", and the ops stage "new" and swap.
func TestScriptUnderRareConditions(t *testing.T) {
	pwsh := find(t, "pwsh")
	stand := onLinux(t)
	old, content := winhosttest.Content("old"), winhosttest.Content("new")
	for _, c := range []struct {
		name, reason, prelude string
		codes                 [2]winhost.Code
		win32                 uint32
		live                  []byte
	}{
		{
			"1177 once", "ReplaceFile moved the old file to the backup and failed to move the new one: the old one is put back, then again",
			`$global:tries = 0
function Rare([string]$from, [string]$to, [string]$backup) {
    $global:tries++
    if ($global:tries -eq 1) { [IO.File]::Move($to, $backup); throw [ComponentModel.Win32Exception]::new(1177) }
    [IO.File]::Replace($from, $to, $backup, $false)
}
${alias:Invoke-HostReplace} = 'Rare'`,
			[2]winhost.Code{winhost.OK, winhost.OK}, 0, content,
		}, {
			"1177 always", "the live file must be there whatever happens",
			`function Rare([string]$from, [string]$to, [string]$backup) { [IO.File]::Move($to, $backup); throw [ComponentModel.Win32Exception]::new(1177) }
${alias:Invoke-HostReplace} = 'Rare'`,
			[2]winhost.Code{winhost.OK, winhost.Failed}, 1177, old,
		}, {
			"an error after the effect", "the hash tells what happened, not the error",
			`function Rare([string]$from, [string]$to, [string]$backup) { [IO.File]::Replace($from, $to, $backup, $false); throw [IO.IOException]::new('late', -2147023720) }
${alias:Invoke-HostReplace} = 'Rare'`,
			[2]winhost.Code{winhost.OK, winhost.OK}, 0, content,
		}, {
			"access denied", "a host that does not let us must say so at once",
			`function Rare([string]$from, [string]$to, [string]$backup) { throw [UnauthorizedAccessException]::new("kein ` + "`" + `"Zugriff` + "`" + `" \ f$([char]252)r $([char]0x9375)` + "`" + `r` + "`" + `n") }
${alias:Invoke-HostReplace} = 'Rare'`,
			[2]winhost.Code{winhost.OK, winhost.Denied}, 5, old,
		}, {
			"full disk", "found before anything is written",
			`function Rare([string]$path) { 1000 }
${alias:Get-HostFreeSpace} = 'Rare'`,
			[2]winhost.Code{winhost.DiskFull, winhost.Skipped}, 112, old,
		}, {
			"a content that breaks a call", "an error without a number must not show what it was about",
			`function Rare([string]$path, [string]$like) { throw [IO.File]::ReadAllText($like) }
${alias:New-HostFile} = 'Rare'`,
			[2]winhost.Code{winhost.Failed, winhost.Skipped}, 0, old,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "a.json")
			if err := os.WriteFile(file, old, 0o640); err != nil {
				t.Fatal(err)
			}
			env, logged := eventLog(t)
			engine := process.PowerShell(pwsh, stand+"\n"+c.prelude, env)
			results, err := winhost.Run(t.Context(), engine, winhost.Config{}, []winhost.Op{
				&winhost.FileStage{Path: file, Expect: winhosttest.Sum(old), Content: secret.New(content)},
				&winhost.FileSwap{Path: file, Expect: winhosttest.Sum(old), Staged: winhosttest.Sum(content)},
			})
			if err != nil {
				t.Fatalf("%v (%s)", err, c.reason)
			}
			for i, r := range results {
				if r.Code != c.codes[i] || !r.Done() && r.Code != winhost.Skipped && r.Win32 != c.win32 {
					t.Errorf("op %d: %+v, want %s with %d (%s)", i, r, c.codes[i], c.win32, c.reason)
				}
				if want := "kein \"Zugriff\" \\ für 鍵\r\n"; c.win32 == 5 && i == 1 && r.Message != want {
					t.Errorf("message %q, want %q", r.Message, want)
				}
				if form, _ := winhosttest.Leak(r.Message); form != "" {
					t.Errorf("the message holds a secret: %q", r.Message)
				}
			}
			if live, _ := os.ReadFile(file); string(live) != string(c.live) {
				t.Errorf("live file: %q (%s)", live, c.reason)
			}
			if info, err := os.Stat(file); err == nil && info.Mode().Perm() != 0o640 {
				t.Errorf("its access rules became %v", info.Mode())
			}
			if form, before := winhosttest.Leak(logged()); form != "" {
				t.Errorf("the log holds a secret, as %q, after %q", form, before)
			}
		})
	}
}

// A host asks the domain whether an account is shut out. It says so by a text, in whatever language; anything else says nothing, as does
// a host that has no domain.
func TestAccountsThatTheirDomainShutsOut(t *testing.T) {
	pwsh := find(t, "pwsh")
	stand := onLinux(t) + `
function Real([string]$service, [string]$account) { & ${function:Get-HostLogon} $service $account }
${alias:Get-HostLogon} = 'Real'
function Sid([string]$account) { if ($account.StartsWith('NT ')) { 'S-1-5-80-1' } else { 'S-1-5-21-1-2-3-1104' } }
${alias:Get-HostSid} = 'Sid'
function Holder([string]$right, [string]$account, [string]$sid) { '' }
${alias:Test-HostHolder} = 'Holder'
function User([string]$user) { }
${alias:Get-HostUser} = 'User'
`
	accounts := []string{`CONTOSO\svc-im`, `svc-im@contoso.example`, `.\svc-im`, `NT SERVICE\mr-quick`}
	of := func(number int) string {
		return "([ComponentModel.Win32Exception]::new(" + strconv.Itoa(number) + ").Message)"
	}
	for says, locked := range map[string]winhost.Answer{of(1331): winhost.Yes, of(1909): winhost.Yes, of(1326): "", of(1355): "", "''": "", "'locked out'": "", "": ""} {
		prelude := "function Says([string]$account) { @{ refusal = " + says + "; passwordSet = [DateTime]::UnixEpoch } }\n${alias:Get-HostIdentityOf} = 'Says'"
		if says == "" {
			prelude = ""
		}
		var ops []winhost.Op
		for _, account := range accounts {
			ops = append(ops, &winhost.LogonRead{Service: "mr-quick", Account: account})
		}
		results, err := winhost.Run(t.Context(), process.PowerShell(pwsh, stand+prelude), winhost.Config{}, ops)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []winhost.Answer{locked, locked, "", ""} {
			if l := results[i].Logon; l == nil || l.Exists != winhost.Yes || l.Locked != want {
				t.Errorf("%q of %s: %+v", says, accounts[i], l)
			}
		}
	}
}

func TestConstrainedLanguage(t *testing.T) {
	pwsh := find(t, "pwsh")
	engine := process.PowerShell(pwsh, "$ExecutionContext.SessionState.LanguageMode = 'ConstrainedLanguage'")
	_, err := winhost.Run(t.Context(), engine, winhost.Config{}, []winhost.Op{&winhost.MachineIdentity{}})
	if !errors.Is(err, winhost.ErrUnsupported) {
		t.Errorf("error %v: a locked-down host must be told from a broken one", err)
	}
}

// A search for canaries that finds nothing proves something only if it would find one.
func TestLogShowsLeaks(t *testing.T) {
	pwsh := find(t, "pwsh")
	file := filepath.Join(t.TempDir(), "value")
	if err := os.WriteFile(file, []byte(winhosttest.Canary), 0o600); err != nil {
		t.Fatal(err)
	}
	read := "$v = [IO.File]::ReadAllText(" + quoted(file) + "); "
	for leak, shown := range map[string]bool{
		"$v | ForEach-Object { }":                  true,
		"[void](New-Object Text.StringBuilder $v)": true,
		"[void](ConvertTo-Json -InputObject ([Convert]::ToBase64String([Text.Encoding]::UTF8.GetBytes($v))))": true,
		"function own($x) { $x.Length }; $n = own $v; [void][Text.StringBuilder]::new($v)":                    false,
	} {
		log := filepath.Join(t.TempDir(), "events")
		cmd := exec.Command(pwsh, "-NoProfile", "-NonInteractive", "-OutputFormat", "Text", "-EncodedCommand", winhost.EncodedCommand(read+leak))
		cmd.Env = append(cmd.Environ(), "PWSH_EVENTLOG="+log)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", leak, err, out)
		}
		text, _ := os.ReadFile(log)
		if form, _ := winhosttest.Leak(string(text)); (form != "") != shown || !strings.Contains(string(text), "ReadAllText") {
			t.Errorf("%s: found %q in %d bytes of events, want one: %v", leak, form, len(text), shown)
		}
	}
}

// A compiler takes a second in every process of Windows PowerShell, fails where its folder is full or watched, and is what policies
// forbid first.
func TestNothingIsCompiledOnAHost(t *testing.T) {
	if all := compiles(winhost.Script()); len(all) > 0 {
		t.Errorf("the script says %q", all)
	}
	for _, text := range []string{"Add-Type 'public class X { }'", "add-type\t-TypeDefinition $x", "Add-Type -Path $x -AssemblyName X", "Add-Type @a", "$p = 'Add-Type'; & $p $x", "[Microsoft.CSharp.CSharpCodeProvider]::new()"} {
		if len(compiles(text)) == 0 {
			t.Errorf("%s is not found", text)
		}
	}
}

// compiles are the places of a script that may call a compiler: whatever names Add-Type, but for a comment, and for loading an assembly by its name.
func compiles(script string) []string {
	loads := regexp.MustCompile(`(?im)^\s*(#.*|Add-Type -AssemblyName [\w.]+)$`)
	return regexp.MustCompile(`(?i).*(Add-Type|-TypeDefinition|-MemberDefinition|CodeProvider|CompileAssembly).*`).FindAllString(loads.ReplaceAllString(script, ""), -1)
}

// What another process holds is tried ten times, 150 ms apart: 1.35 s, as the operator reads, and as the model of a host does.
func TestHowLongAHeldFileIsTried(t *testing.T) {
	script := winhost.Script()
	if tries, pauses := strings.Count(script, "$try -ge 10"), strings.Count(script, "[Threading.Thread]::Sleep(150)"); tries == 0 || tries != pauses || strings.Count(script, "$try -ge") != tries {
		t.Errorf("%d times ten tries, %d pauses of 150 ms", tries, pauses)
	}
}
