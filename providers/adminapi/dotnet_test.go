package adminapi

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What .NET's own serializers make of a moment is read as that moment: of each kind that a DateTime has, on a host in India. One of no
// kind is written without its zone, or by some as if it were local: then it is hours off, which a plan refuses.
func TestHeartbeatsAsDotnetWritesThem(t *testing.T) {
	const script = `
$utc = [DateTime]::new(2026, 11, 23, 6, 0, 0, 123, [DateTimeKind]::Utc); $none = [DateTime]::SpecifyKind($utc, 'Unspecified')
$local = [TimeZoneInfo]::ConvertTimeFromUtc($utc, [TimeZoneInfo]::Local); $local = [DateTime]::SpecifyKind($local, 'Local')
$offset = [DateTimeOffset]::new($utc).ToOffset([TimeSpan]::FromMinutes(330))
$dates = [Newtonsoft.Json.JsonSerializerSettings]::new(); $dates.DateFormatHandling = 'MicrosoftDateFormat'
foreach ($x in @(('utc', $utc), ('none', $none), ('local', $local), ('offset', $offset))) {
    $name, $v = $x
    "System.Text.Json $name|" + [Text.Json.JsonSerializer]::Serialize($v, $v.GetType())
    "Newtonsoft $name|" + [Newtonsoft.Json.JsonConvert]::SerializeObject($v)
    "Newtonsoft, Microsoft's dates $name|" + [Newtonsoft.Json.JsonConvert]::SerializeObject($v, $dates)
    $m = [IO.MemoryStream]::new(); [Runtime.Serialization.Json.DataContractJsonSerializer]::new($v.GetType()).WriteObject($m, $v)
    "WCF $name|" + [Text.Encoding]::UTF8.GetString($m.ToArray())
    foreach ($f in 'o', 'u', 'R', 's') { if ($name -ne 'local' -or $f -eq 'o') { "ToString($f) $name|" + '"' + $v.ToUniversalTime().ToString($f, [Globalization.CultureInfo]::InvariantCulture) + '"' } }
}
"ToUnixTimeSeconds|" + $offset.ToUnixTimeSeconds(); "ToUnixTimeMilliseconds|" + $offset.ToUnixTimeMilliseconds(); "Ticks|" + $utc.Ticks
"MinValue|" + [Text.Json.JsonSerializer]::Serialize([DateTime]::MinValue, [DateTime]); "MinValue, Microsoft's|" + [Newtonsoft.Json.JsonConvert]::SerializeObject([DateTime]::MinValue, $dates)
`
	kolkata, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		t.Fatal(err)
	}
	beat := time.Date(2026, 11, 23, 6, 0, 0, 123e6, time.UTC)
	lines := powershell(t, script, "TZ=Asia/Kolkata")
	if len(lines) < 30 {
		t.Fatalf("%q", lines)
	}
	for _, line := range lines {
		name, raw, _ := strings.Cut(line, "|")
		r, err := readRelays(fmt.Appendf(nil, `[{"name":"a","lastHeartbeatUtc":%s}]`, raw), Fields{})
		if err != nil || len(r.List) != 1 {
			t.Errorf("%s: %s: %v", name, raw, err)
			continue
		}
		got := r.List[0]
		switch off := got.LastHeartbeat.Sub(beat).Abs(); {
		case strings.HasPrefix(name, "MinValue"), name == "WCF offset": // an object of two fields
			if !got.LastHeartbeat.IsZero() || len(got.Odd) != 1 {
				t.Errorf("%s: %s is %+v", name, raw, got)
			}
		case strings.HasSuffix(name, " none") && (strings.Contains(name, "Microsoft's") || strings.HasPrefix(name, "WCF") || strings.HasPrefix(name, "ToString")):
			if off.Round(time.Second) != 5*time.Hour+30*time.Minute {
				t.Errorf("%s: %s is %+v", name, raw, got)
			}
		case off >= time.Second:
			t.Errorf("%s: %s is %s", name, raw, got.LastHeartbeat)
		}
	}
	local := `[{"name":"a","lastHeartbeat":"2026-11-23T11:30:00.123"}]`
	if r, err := readRelays([]byte(local), Fields{Zone: kolkata}); err != nil || !r.List[0].LastHeartbeat.Equal(beat) {
		t.Errorf("%+v, %v", r, err)
	}
}

// Every form of a moment that is read from a text is the same moment to .NET, which takes one without a zone for UTC when it is told to.
func TestMomentsAsDotnetReadsThem(t *testing.T) {
	forms := []string{"2026-11-23T06:00:00Z", "2026-11-23T06:00:00.1234567Z", "2026-11-23T11:30:00+05:30", "2026-11-23T06:00Z", "2026-11-23 06:00:00Z", "2026-11-23 06:00:00 +00:00",
		"2026-11-23 11:30:00.0000000 +05:30", "2026-11-23T06:00:00+0000", "Mon, 23 Nov 2026 06:00:00 GMT", "2026-11-23T06:00:00", "2026-11-23 06:00:00", "2026-11-23T06:00", "2026-11-23"}
	script := "foreach ($s in '" + strings.Join(forms, "', '") + "') { [DateTimeOffset]::Parse($s, [Globalization.CultureInfo]::InvariantCulture, 'AssumeUniversal').UtcDateTime.ToString('o') }"
	lines := powershell(t, script)
	if len(lines) != len(forms) {
		t.Fatalf("%q", lines)
	}
	for i, s := range forms {
		want, err := time.Parse(time.RFC3339Nano, lines[i])
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := parseMoment(s); err != nil || !got.Equal(want) {
			t.Errorf("%s is %s, %v, and %s to .NET", s, got, err, want)
		}
	}
}

// powershell runs a script under the real engine, and gives its lines.
func powershell(t *testing.T, script string, env ...string) []string {
	t.Helper()
	pwsh, err := exec.LookPath("pwsh")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("pwsh is not on PATH, and CI=true demands it")
		}
		t.Skip("pwsh is not on PATH: .NET is not asked")
	}
	file := filepath.Join(t.TempDir(), "ask.ps1")
	if err := os.WriteFile(file, []byte("$ErrorActionPreference = 'Stop'\n"+script), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(pwsh, "-NoProfile", "-NonInteractive", "-File", file)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return strings.Split(strings.TrimSpace(strings.ReplaceAll(string(out), "\r", "")), "\n")
}
