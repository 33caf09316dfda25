package winhost_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a host records is read where Windows' policies put it: each value by itself says so, and nothing else does. The registry is a
// stand-in, which Linux does not have.
func TestRecordsByPolicies(t *testing.T) {
	const shell, audit = `SOFTWARE\Policies\Microsoft\Windows\PowerShell\`, `SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System\Audit`
	const services = `SYSTEM\CurrentControlSet\Services\`
	cases := []struct {
		key, value string
		is         int
		want       string // scripts, modules, transcripts, command lines, Sysmon
	}{
		{"", "", 0, "no no no no no"},
		{shell + "ScriptBlockLogging", "EnableScriptBlockLogging", 1, "yes no no no no"},
		{shell + "ScriptBlockLogging", "EnableScriptBlockLogging", 0, "no no no no no"},
		{shell + "ModuleLogging", "EnableModuleLogging", 1, "no yes no no no"},
		{shell + "Transcription", "EnableTranscripting", 1, "no no yes no no"},
		{shell + "Transcription", "EnableInvocationHeader", 1, "no no no no no"},
		{audit, "ProcessCreationIncludeCmdLine_Enabled", 1, "no no no yes no"},
		{audit, "ProcessCreationIncludeCmdLine_Enabled", 0, "no no no no no"},
		{services + "SysmonDrv", "Start", 0, "no no no no yes"},
		{services + "Sysmon", "Start", 0, "no no no no yes"},
		{services + "Sysmon64", "Start", 0, "no no no no yes"},
	}
	var b strings.Builder
	b.WriteString(`class Key { [string]$name; [int]$is; [object] GetValue([string]$n, [object]$else) { if ($n -eq $this.name) { return $this.is }; return $else } }
function Open-HostKey([string]$path) { if ($path -ne $global:key) { return $null }; $k = [Key]::new(); $k.name = $global:value; $k.is = $global:is; $k }
`)
	fmt.Fprintf(&b, "%s\n%s\n", functionOf(t, "Get-HostLogging"), functionOf(t, "Get-HostAuditing"))
	for _, c := range cases {
		fmt.Fprintf(&b, "$global:key = %s; $global:value = %s; $global:is = %d; $l = Get-HostLogging; $a = Get-HostAuditing\n", quoted(c.key), quoted(c.value), c.is)
		b.WriteString("($l.scripts, $l.modules, $l.transcripts, $a.commandLines, $a.sysmon) -join ' '\n")
	}
	got := runs(t, b.String())
	if len(got) != len(cases) {
		t.Fatalf("%q", got)
	}
	for i, c := range cases {
		if got[i] != c.want {
			t.Errorf("%s, %s: %s, want %s", c.key, c.value, got[i], c.want)
		}
	}
}

// What ordinary users may change, and read, is asked of the file, of the program, and of the folders of both: each by itself is told. Rights
// are stand-ins: Linux has no access rules.
func TestExposureByRights(t *testing.T) {
	const write, makes, read = 0x2, 0x40, 0x1
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.json"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		path string
		may  int
		want string // what may be read, and what may be changed
	}{
		{"", 0, "no "},
		{"/svc/agent.exe", write, "no /svc/agent.exe"},
		{"/svc", makes, "no /svc"},
		{"/svc", write, "no /svc"}, // it is the same bit as to make files
		{"/svc", read, "no "},
		{filepath.Join(dir, "a.json"), write, "no " + filepath.Join(dir, "a.json")},
		{filepath.Join(dir, "a.json"), read, "yes "},
		{dir, makes, "no " + dir},
	}
	var b strings.Builder
	b.WriteString(`function Get-HostRights([string]$path) { if ($path -eq $global:at) { return $global:may }; 0 }
function Get-HostFullName([string]$path) { $path }
function Resolve-HostPath([string]$path) { $path }
function Get-HostServiceConfig($name) { @{ imagePath = '"/svc/agent.exe" --run' } }
function Get-Leftovers($path) { }
function New-Result($code, $message) { @{ code = $code } }
function Get-HostLogging { throw 'not asked' }
function Get-HostAuditing { throw 'not asked' }
`)
	for _, f := range []string{"Get-Folder", "Split-Program", "Add-Writable", "Invoke-Exposure"} {
		b.WriteString(oneLiner(t, f) + "\n")
	}
	for _, c := range cases {
		fmt.Fprintf(&b, "$global:at = %s; $global:may = %d; $e = (Invoke-Exposure @{ name = 'S'; path = %s }).exposed; $e.readable + ' ' + ($e.writable -join ',')\n",
			quoted(c.path), c.may, quoted(filepath.Join(dir, "a.json")))
	}
	got := runs(t, b.String())
	if len(got) != len(cases) {
		t.Fatalf("%q", got)
	}
	for i, c := range cases {
		if strings.TrimSpace(got[i]) != strings.TrimSpace(c.want) {
			t.Errorf("%s, %#x: %q, want %q", c.path, c.may, got[i], c.want)
		}
	}
}
