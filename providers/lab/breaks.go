package lab

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"meshrotate/providers/appsettings"
	"meshrotate/providers/lab/machine"
	"meshrotate/providers/licensefile"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler/secret"
)

// Mishap is something that can go wrong behind meshrotate's back.
type Mishap struct {
	Name, Does string
	act        func(l *Lab, h *Host) error
}

// Mishaps are all that the lab offers, for `meshrotate lab break`.
func Mishaps() []Mishap {
	return append([]Mishap{
		{"key", "put another relay key there and restart the service", (*Lab).breakKey},
		{"stop", "stop the service", func(_ *Lab, h *Host) error { return h.halt() }},
		{"start", "start the service", func(_ *Lab, h *Host) error { return h.start(h.service()) }},
		{"file", "cut the settings file in half", func(_ *Lab, h *Host) error {
			return h.edit(h.Settings(), func(b []byte) []byte { return b[:len(b)/2] })
		}},
		{"mend", "write the settings file anew, with the key that Admin runs with", (*Lab).mend},
		{"copy", "write the settings file anew, with an old time, as a copy does", (*Lab).breakCopy},
		{"edit", "change a harmless byte of the settings file", func(_ *Lab, h *Host) error {
			return h.edit(h.Settings(), func(b []byte) []byte { return append(b, '\n') })
		}},
		{"license", "put an older license there", (*Lab).breakLicense},
		{"env", "set Relay__ApiKey in the machine's environment", func(_ *Lab, h *Host) error {
			h.Machine.SetEnvironment("Relay__ApiKey", random(32))
			return nil
		}},
		{"unenv", "remove that variable again", func(_ *Lab, h *Host) error {
			h.Machine.SetEnvironment("Relay__ApiKey", "")
			return nil
		}},
		{"signer", "deploy a connector that somebody else has signed", (*Lab).breakSigner},
		{"dependent", "install " + WatchService + ", which is stopped with the service", (*Lab).breakDependent},
		{"logon", "let the service log on as LocalSystem, from its next start on", func(_ *Lab, h *Host) error {
			return h.Machine.SetLogon(h.service(), "LocalSystem", "")
		}},
		{"move", "let it be another machine, which opens no secret sealed before", func(_ *Lab, h *Host) error {
			h.Machine.Become(guid(random(9)), h.clock().UTC().Truncate(time.Second))
			return nil
		}},
		{"restore", "restore it from an image: no secret sealed before opens", func(l *Lab, h *Host) error {
			if h != l.EngineHost {
				return fmt.Errorf("connectors' secrets are sealed on %s", l.EngineHost.Name)
			}
			l.images.Add(1)
			return nil
		}},
		{"lock", "lock the services' account out", func(l *Lab, _ *Host) error { l.domain.Lock(Account, true); return nil }},
		{"unlock", "let the account log on again", func(l *Lab, _ *Host) error { l.domain.Lock(Account, false); return nil }},
		{"password", "change that account's password in the domain; services run on", func(l *Lab, _ *Host) error { l.changePassword(); return nil }},
		{"store", "give the service manager the password that it has there", func(l *Lab, h *Host) error {
			now, _, _, _ := l.domain.Look(Account)
			return h.Machine.SetLogon(h.service(), Account, now)
		}},
		{"bar", "take the right to log on as a service from the account", func(_ *Lab, h *Host) error { h.Machine.Allow(Account, false); return nil }},
		{"unbar", "give the account that right again", func(_ *Lab, h *Host) error { h.Machine.Allow(Account, true); return nil }},
		{"unplug", "make the host unreachable", func(_ *Lab, h *Host) error { h.Unplug(true); return nil }},
		{"plug", "make it reachable again", func(_ *Lab, h *Host) error { h.Unplug(false); return nil }},
	}, slices.Concat(layers(), connectionStrings(), obstacles(), answers(), exposures(), certificates())...)
}

// Break makes a mishap happen to a host, and says what it did.
func (l *Lab) Break(what, host string) (string, error) {
	h := l.Host(host)
	if h == nil {
		return "", fmt.Errorf("the lab has no host %q: it has %s", host, l.named())
	}
	for _, m := range Mishaps() {
		if m.Name == what {
			if h.service() == "" && what != "unplug" && what != "plug" {
				return "", fmt.Errorf("%s has no service of the product: it can be unplugged and plugged", h.Name)
			}
			if err := m.act(l, h); err != nil {
				return "", fmt.Errorf("%s: %w", h.Name, err)
			}
			return "done on " + label(h.Name) + ": " + m.Does, nil
		}
	}
	var names []string
	for _, m := range Mishaps() {
		names = append(names, m.Name)
	}
	return "", fmt.Errorf("the lab knows no mishap %q: there are %s", what, strings.Join(names, ", "))
}

// named lists the hosts by their short names.
func (l *Lab) named() string {
	text := label(l.Admin.Name) + ", " + label(l.EngineHost.Name)
	if n := len(l.Relays); n > 0 {
		text += ", " + label(l.Relays[0].Name) + " to " + label(l.Relays[n-1].Name)
	}
	return text
}

// Settings is the path of the host's settings file.
func (h *Host) Settings() string {
	switch h.service() {
	case AdminService:
		return AdminSettings
	case EngineService:
		return EngineSettings
	default:
		return RelaySettings
	}
}

// edit writes a file as an editor does: behind the back of every op.
func (h *Host) edit(path string, change func([]byte) []byte) error {
	b, _, err := h.Machine.FS.Read(path)
	if err != nil {
		return err
	}
	return h.write(path, change(bytes.Clone(b)))
}

func (h *Host) write(path string, content []byte) error {
	m, ok := h.Machine.FS.(*machine.Memory)
	if !ok {
		_ = h.Machine.FS.Remove(path)
		return h.Machine.FS.Create(path, content, "")
	}
	m.Write(path, content)
	return m.Set(path, func(i *machine.Info) { i.UsersCanRead = false })
}

// mend writes settings as they were when the lab began, but for the key.
func (l *Lab) mend(h *Host) error {
	key := l.Keys()[l.Admin.Name]
	if key == "" {
		return fmt.Errorf("%s runs without a key now: start it first", AdminService)
	}
	old, _ := Certificates()
	text := relaySettings(key, old.SHA1)
	switch h {
	case l.Admin:
		text = adminSettings(key, l.SQL())
	case l.EngineHost:
		text = engineSettings(l.SQL())
	}
	return h.write(h.Settings(), []byte(text))
}

// breakCopy is what Copy-Item does: the file looks older than the process that has not read it.
func (l *Lab) breakCopy(h *Host) error {
	if err := l.mend(h); err != nil {
		return err
	}
	return h.Machine.FS.Touch(h.Settings(), h.clock().Add(-90*24*time.Hour))
}

func (l *Lab) breakKey(h *Host) error {
	var failed error
	err := h.edit(h.Settings(), func(b []byte) []byte {
		edited, err := appsettings.Set(b, relayKey, secret.NewString(random(32)))
		if err != nil {
			failed = err
			return b
		}
		return edited
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		return err
	}
	return l.restart(h)
}

func (l *Lab) breakLicense(h *Host) error {
	old, err := l.License(licensefile.License{Customer: Customer, Tier: "Standard", Expires: day(3)})
	if err != nil {
		return err
	}
	if h.service() == RelayService {
		return fmt.Errorf("a relay has no license")
	}
	if err := h.write(LicenseFile, old); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if h == l.Admin && l.admin.process != nil {
		l.admin.license = l.readLicense(h)
	}
	return nil
}

// maxShown is how many relays Show lists.
const maxShown = 20

// Show says what really runs, in words and without a value. Of a large fleet it lists the relays that differ.
func (l *Lab) Show() string {
	var b strings.Builder
	keys := l.Keys()
	fmt.Fprintf(&b, "Admin API %s, %d of %d relays connected\n", l.URL(), l.Connected(), len(l.Relays))
	fmt.Fprintf(&b, "%s\n", l.sqlNote())
	whole := 0
	for i, h := range l.Hosts() {
		note, usual := l.note(h, keys)
		if usual && len(l.Relays) > maxShown && h.service() == RelayService {
			whole++
			continue
		}
		if i-whole > 2*maxShown {
			b.WriteString("and more\n")
			break
		}
		fmt.Fprintf(&b, "%-24s %s\n", h.Name, note)
	}
	if whole > 0 {
		fmt.Fprintf(&b, "%-24s running with Admin's key\n", fmt.Sprint(whole, " more relays"))
	}
	return b.String()
}

// note is what a host does; usual says that it does what it should.
func (l *Lab) note(h *Host, keys map[string]string) (note string, usual bool) {
	note = string(h.Machine.Service(h.service()).State)
	usual = note == "running"
	if k, ok := keys[h.Name]; ok && h != l.Admin {
		if k == keys[l.Admin.Name] {
			note += " with Admin's key"
		} else {
			note, usual = note+" with another key than Admin", false
		}
	}
	if w := h.Machine.Service(WatchService); w.Installed {
		note, usual = note+", "+WatchService+" "+string(w.State), usual && w.State == winhost.Running
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.down {
		note, usual = note+", unplugged", false
	}
	return note, usual
}
