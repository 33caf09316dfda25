// Package lab is a whole IdentityMesh, on loopback or in memory: Admin, Engine, relays, their hosts, the Admin API, and
// SQL Server with the product's database.
//
// It is a test double, and also what `meshrotate demo` and `meshrotate lab` show. It is a model of the product, not a
// script of expected calls: services read their settings when they start and log in to the database with the string that
// they find, a relay with an empty key dies, one with a wrong key stays disconnected, a running service proves nothing, the relay list keeps stale heartbeats. It speaks the
// real protocols (WinRM with sealed NTLM, HTTP with NTLM, TDS), so the real client code runs end to end. In memory (see
// Config.Memory and Client) the same machines are asked without a wire, on any clock. It is not Windows: what
// PowerShell, NTFS and the service manager do is modelled, and compared with the real engines elsewhere.
package lab

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"meshrotate/providers/lab/sqlserver"
	"meshrotate/providers/lab/tds"
	"meshrotate/providers/lab/wsman"
	"meshrotate/providers/limits"
	"meshrotate/providers/values"
)

// Config is what a lab looks like. The zero Config is a usable one with no relay.
type Config struct {
	// Deployment is its name; "" is Name.
	Deployment string
	Relays     int
	// Dir is where the document, the licenses and the state are written. Empty: nothing is written.
	Dir  string
	Time Timing
	// Engine runs the commands of a host; nil models PowerShell and everything else in Go.
	Engine Engine
	// Record is told what Windows would log and what travelled: kind and text. Nil keeps nothing.
	Record func(host, kind, text string)
	// Converged makes the document ask for what is live: nothing is to be rotated.
	Converged bool
	// Login is the mode in which the document asks for a new password of the services' SQL login: alternating, single,
	// external. Empty: the document says nothing of it.
	Login string
	// Account is when the services are to restart for a new password of their account: now or later. The domain has it already.
	// Empty: the document says nothing of it.
	Account string
	// Connectors is how many connectors' secrets the document declares, with new versions; 0: it says nothing of them.
	// MoreSecrets is how many more the product's database holds.
	Connectors, MoreSecrets int
	// Renamed gives the tables of connectors and secrets, and their columns, other names: those of OtherTables.
	Renamed bool
	// Signing makes the document ask every relay to accept a further certificate for its connectors.
	Signing bool
	// Build gives it a build host, and lets the document say of it how connectors are built, where Signing is set.
	Build bool
	// Vendor signs the licenses; nil makes a key, which takes a moment.
	Vendor *rsa.PrivateKey
	// Relaying is the shape in which Admin lists its relays, one of RelayShapes; "" is the first.
	Relaying string
	// License is the shape in which the vendor writes licenses, one of LicenseShapes; "" is the first.
	License string
	// Replicas of SQL Server, in an availability group when there are more than one. Each has logins of its own.
	Replicas int
	// Standbys are further instances, as of log shipping: outside the group, with the same logins.
	Standbys int
	// Contained makes the services' logins users of the database, which is contained, and no logins of the instance.
	Contained bool
	// HTTPS makes the hosts' WinRM listen with certificates.
	HTTPS bool
	// OneHost puts Engine on Admin's host.
	OneHost bool
	// Memory opens no socket: the hosts and the Admin API are reached through a Client. Such a lab waits by timers and
	// channels only, so it also lives in a bubble of testing/synctest, on a virtual clock.
	Memory bool
	// Drivers lets the services of a lab in memory sign in to their database by the driver, over TDS. Without Memory they do.
	Drivers bool
}

// Timing is how long things take. Zeroes are what was measured with .NET services.
type Timing struct {
	PowerShell   time.Duration // until powershell.exe reads its input; 400 ms
	AdminReady   time.Duration // from start to ready; 1.2 s
	AdminStop    time.Duration // 200 ms
	RelayConnect time.Duration // from start to connected; 900 ms
	RelayStop    time.Duration // 150 ms
	Heartbeat    time.Duration // 1 s
	Stale        time.Duration // how long a lost relay is still listed as connected; 1.5 s
	Sync         time.Duration // between sync runs of the connectors; 2 s
}

func (t Timing) orDefault() Timing {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&t.PowerShell, 400*time.Millisecond)
	set(&t.AdminReady, 1200*time.Millisecond)
	set(&t.AdminStop, 200*time.Millisecond)
	set(&t.RelayConnect, 900*time.Millisecond)
	set(&t.RelayStop, 150*time.Millisecond)
	set(&t.Heartbeat, time.Second)
	set(&t.Stale, 1500*time.Millisecond)
	set(&t.Sync, 2*time.Second)
	return t
}

// The lab's account, and its passwords' lengths in bytes.
const (
	User   = "im_rotator"
	Domain = "LAB"
)

// Lab is a running deployment.
type Lab struct {
	config Config
	timing Timing

	Admin, EngineHost *Host
	BuildHost         *Host // nil when there is none
	Relays            []*Host
	all               []*Host // once they are made

	// Password is the account's. Identity is the age identity that seals the state. Both are made for this lab.
	Password, Identity string
	// Seal seals the state; nil while nothing is written.
	Seal        *values.Seal
	license     *rsa.PrivateKey
	pfxPassword string
	database    sqlSide
	domain      domain
	connectors  []*connector
	// images is how often Engine's host was restored from an image; reticent: Admin does not say why sync runs fail.
	images        atomic.Int64
	reticent      atomic.Bool
	hostTLS       *tls.Config // nil: HTTP
	hostAuthority *tds.Authority

	mu    sync.Mutex
	admin adminState
	mesh  map[*Host]*relayState
	// ailing: Admin is never ready.
	ailing bool
	// odd are answers of the API that are not sound, by path; oddly is how relays are listed that are not as they are.
	odd   map[string]oddAnswer
	oddly map[*Host]func(*Listing, time.Time) bool
	cli   CLI
	// builds is how the build script behaves, built how often it has run to its end.
	builds Builds
	built  int

	api       *http.Server
	apiAddr   string
	gate      *gate
	apiFaults func(wsman.Event) wsman.Fault
	apiCounts map[wsman.Action]int
	control   *http.Server

	sqlFaults  func(wsman.Event) wsman.Fault
	statements func(sqlserver.Statement)
	traffic    func(fromClient bool, message []byte)
}

const engineHost = "im-engine.lab.example"

// The product's names.
const (
	AdminService, EngineService, RelayService = "IdentityMeshAdmin", "IdentityMeshEngine", "IdentityMeshRelayAgent"
	AdminSettings                             = `C:\Program Files\IdentityMesh\appsettings.json`
	EngineSettings                            = `C:\Program Files\IdentityMesh.Service\appsettings.json`
	RelaySettings                             = `C:\Program Files\IdentityMeshRelayAgent\appsettings.json`
	LicenseFile                               = `C:\ProgramData\IdentityMesh\license.key`
)

// Start brings a lab up, with every service running and every relay connecting.
func Start(c Config) (*Lab, error) {
	l := &Lab{config: c, timing: c.Time.orDefault(), mesh: map[*Host]*relayState{}, odd: map[string]oddAnswer{}, oddly: map[*Host]func(*Listing, time.Time) bool{}, Password: random(18), pfxPassword: random(18)}
	l.connectors = newConnectors(c.Connectors)
	err := room(c)
	if err != nil {
		return nil, err
	}
	if l.license = c.Vendor; l.license == nil {
		if l.license, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			return nil, err
		}
	}
	l.startDomain()
	if err := l.startSQL(); err != nil {
		l.Close()
		return nil, err
	}
	if err := l.hosts(); err != nil {
		l.Close()
		return nil, err
	}
	if err := l.serveAPI(); err != nil {
		l.Close()
		return nil, err
	}
	if err := l.seed(); err != nil {
		l.Close()
		return nil, err
	}
	for _, h := range l.Hosts() {
		for _, s := range h.services() {
			if err := h.start(s); err != nil {
				l.Close()
				return nil, fmt.Errorf("%s: start %s: %w", h.Name, s, err)
			}
		}
	}
	if c.Account != "" && !c.Converged {
		l.changePassword()
	}
	return l, nil
}

// room refuses a lab that this process may not open files enough for: each host listens, and each is connected with.
func room(c Config) error {
	files, known := limits.Files()
	if !known || c.Memory {
		return nil
	}
	hosts := c.Relays + 2
	if c.Build {
		hosts++
	}
	return limits.Room{Hosts: hosts, Parallel: hosts, Stay: true}.Fits(files)
}

// Hosts are all machines.
func (l *Lab) Hosts() []*Host {
	if l.all != nil {
		return l.all
	}
	all := []*Host{l.Admin}
	if l.EngineHost != l.Admin {
		all = append(all, l.EngineHost)
	}
	if l.BuildHost != nil {
		all = append(all, l.BuildHost)
	}
	return append(all, l.Relays...)
}

// Host finds a machine by its name or the name's first label.
func (l *Lab) Host(name string) *Host {
	for _, h := range l.Hosts() {
		if h.Name == name || label(h.Name) == name {
			return h
		}
	}
	return nil
}

func (l *Lab) hosts() error {
	err := l.certify()
	if err != nil {
		return err
	}
	if l.Admin, err = l.newHost("im-admin.lab.example"); err != nil {
		return err
	}
	if l.EngineHost = l.Admin; !l.config.OneHost {
		if l.EngineHost, err = l.newHost(engineHost); err != nil {
			return err
		}
	}
	l.Admin.both = l.config.OneHost
	if l.config.Build {
		if l.BuildHost, err = l.newHost(buildHost); err != nil {
			return err
		}
	}
	for i := range l.config.Relays {
		h, err := l.newHost(RelayName(i+1, l.config.Relays))
		if err != nil {
			return err
		}
		l.Relays = append(l.Relays, h)
		l.mesh[h] = &relayState{}
	}
	l.all = slices.Clip(l.Hosts())
	return nil
}

// RelayName is the name of the nth of all relays.
func RelayName(n, all int) string {
	return fmt.Sprintf("relay-%0*d.lab.example", max(2, len(fmt.Sprint(all))), n)
}

// Close ends everything.
func (l *Lab) Close() {
	if l.control != nil {
		_ = l.control.Close()
	}
	if l.api != nil {
		_ = l.api.Close()
	}
	l.closeSQL()
	var wg sync.WaitGroup
	for _, h := range l.Hosts() {
		if h != nil {
			wg.Go(func() { _ = h.server.Close(); h.Machine.Shutdown() })
		}
	}
	wg.Wait()
	if l.config.Engine != nil {
		l.config.Engine.Close()
	}
}

// random is a value that nobody can guess, that a search in any output finds, and that every rule of complexity takes.
func random(n int) string {
	b := make([]byte, n)
	for {
		_, _ = rand.Read(b) // never fails
		text := base64.StdEncoding.EncodeToString(b)
		if strings.ContainsAny(text, "0123456789") && strings.ToUpper(text) != text && strings.ToLower(text) != text {
			return text
		}
	}
}
