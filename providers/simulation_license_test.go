package providers_test

import (
	"time"

	"meshrotate/providers/lab"
	"meshrotate/providers/licensefile"
	"meshrotate/providers/winhost"
)

// licenseFiles are what is on the hosts now.
func (u *universe) licenseFiles() map[string]string {
	files := map[string]string{}
	for _, h := range []*lab.Host{u.w.lab.Admin, u.w.lab.EngineHost} {
		if b, _, err := h.Machine.FS.Read(lab.LicenseFile); err == nil {
			files[h.Name] = string(b)
		}
	}
	return files
}

// licensed: the hosts that are not named have the file.
func (u *universe) licensed(version string, left map[string]bool) {
	for _, h := range []*lab.Host{u.w.lab.Admin, u.w.lab.EngineHost} {
		b, _, err := h.Machine.FS.Read(lab.LicenseFile)
		if !left[h.Name] && !u.disturbed[label(h.Name)] && (err != nil || u.licenses[string(b)] != version) {
			u.wrong("7: the license is proven, and %s has %q (%v)", h.Name, u.licenses[string(b)], err)
		}
	}
	engine := u.w.lab.EngineHost
	if _, info, err := engine.Machine.FS.Read(lab.LicenseFile); err == nil && !left[engine.Name] {
		if s := engine.Machine.Service(lab.EngineService); s.State == winhost.Running && s.StartedAt.Before(info.Modified) {
			u.wrong("7: the license is proven, and the Engine has read it before it was there")
		}
	}
	if served := u.w.lab.Served(); !left[u.w.lab.Admin.Name] && !u.disturbed["im-admin"] && (served == nil || served.Expires != u.expires(version)) {
		u.wrong("7: the license is proven, and Admin serves another one")
	}
}

// expires is when a license does.
func (u *universe) expires(version string) (at time.Time) {
	for text, v := range u.licenses {
		if l, err := licensefile.Parse([]byte(text)); v == version && err == nil {
			at = l.Expires
		}
	}
	return at
}

// relicensed: the files are what they were, and Admin serves what it did.
func (u *universe) relicensed(before snapshot, left map[string]bool) {
	for host, now := range u.licenseFiles() {
		if was, ok := before.files[host]; ok && was != now && !left[host] && !u.disturbed[label(host)] {
			u.wrong("1: the license is back, it says, and that of %s is another than before", host)
		}
	}
	admin := u.w.lab.Admin.Name
	served := u.w.lab.Served()
	if before.served != nil && served != nil && served.Expires != before.served.Expires && u.sameFile(before, admin) && !left[admin] && !u.disturbed["im-admin"] {
		u.wrong("1: the license is back, it says, and Admin serves another one than before")
	}
}

// sameFile: what Admin served before was in its file.
func (u *universe) sameFile(before snapshot, host string) bool {
	l, err := licensefile.Parse([]byte(before.files[host]))
	return err == nil && l.Expires == before.served.Expires
}
