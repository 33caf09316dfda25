package licensefile_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"meshrotate/providers/licensefile"
)

// Every form of an end that is read from a text is the same day to .NET, and the same moment where it names one.
func TestEndsAsDotnetReadsThem(t *testing.T) {
	pwsh, err := exec.LookPath("pwsh")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("pwsh is not on PATH, and CI=true demands it")
		}
		t.Skip("pwsh is not on PATH: .NET is not asked")
	}
	forms := []string{"2027-11-30T00:00:00Z", "2027-11-30T05:30:00+05:30", "2027-11-30T00:00:00.0000000", "2027-11-30T00:00", "2027-11-30 00:00", "2027-11-30 00:00:00", "Tue, 30 Nov 2027 00:00:00 GMT",
		"2027-11-30", "30 Nov 2027", "30 November 2027", "30-Nov-2027", "Nov 30, 2027", "November 30, 2027", "2027/11/30", "9999-12-31T23:59:59.9999999"}
	file := filepath.Join(t.TempDir(), "ask.ps1")
	script := "foreach ($s in '" + strings.Join(forms, "', '") + "') { [DateTimeOffset]::Parse($s, [Globalization.CultureInfo]::InvariantCulture, 'AssumeUniversal').UtcDateTime.ToString('o') }"
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(pwsh, "-NoProfile", "-NonInteractive", "-File", file).CombinedOutput()
	lines := strings.Fields(string(out))
	if err != nil || len(lines) != len(forms) {
		t.Fatalf("%v\n%s", err, out)
	}
	for i, s := range forms {
		want, err := time.Parse(time.RFC3339Nano, lines[i])
		if err != nil {
			t.Fatal(err)
		}
		at, _, never, err := licensefile.ParseExpiry(s)
		if err != nil || never != (want.Year() == 9999) || !never && !at.Equal(want) {
			t.Errorf("%s is %s, %v, and %s to .NET", s, at, err, want)
		}
	}
}
