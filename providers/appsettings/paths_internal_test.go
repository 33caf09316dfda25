package appsettings

import "testing"

// A path that is taken as it is would be the same after cleaning.
func TestCleanPathsStay(t *testing.T) {
	kept := 0
	var try func(p string, more int)
	try = func(p string, more int) {
		if isClean(p) {
			kept++
			if c := cleaned(p); c != p {
				t.Errorf("%q is taken for clean; cleaned it is %q", p, c)
			}
		}
		for i := 0; more > 0 && i < len(`C:\/.?a`); i++ {
			try(p+`C:\/.?a`[i:i+1], more-1)
		}
	}
	try("", 6)
	if kept < 1000 {
		t.Errorf("only %d paths were taken as they are", kept)
	}
}
