// Package signed says whether a commit was signed by somebody who may.
//
// Signers are listed as gpg exports them (OpenPGP, RFC 9580, in ASCII armour) or as ssh-keygen reads them (allowed_signers,
// ssh-keygen(1)). A key counts as it is now: whoever makes a commit says when that was, so a commit of long ago does not make a
// key valid that has expired or was revoked since.
package signed

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"golang.org/x/crypto/ssh"
)

// Signers are the keys of who may sign. The zero Signers is nobody.
type Signers struct {
	pgp openpgp.EntityList
	ssh []allowed
	// authorities are how many lines were passed over, as they name who may certify keys and no key that signs.
	authorities int
}

// allowed is a line of an allowed_signers file.
type allowed struct {
	principals    string
	key           ssh.PublicKey
	namespaces    []string // nil is any
	after, before time.Time
}

const armour = "-----BEGIN PGP PUBLIC KEY BLOCK-----"

// Add reads a file of signers, in either form. Name is the file's, for errors.
func (s *Signers) Add(name string, data []byte) error {
	var err error
	if bytes.Contains(data, []byte(armour)) {
		err = s.addPGP(data)
	} else {
		err = s.addSSH(data)
	}
	if err != nil {
		return fmt.Errorf("trusted signers: %s: %w", name, err)
	}
	return nil
}

// addPGP reads one or more blocks, one after the other.
func (s *Signers) addPGP(data []byte) error {
	for _, block := range bytes.SplitAfter(data, []byte("-----END PGP PUBLIC KEY BLOCK-----")) {
		if !bytes.Contains(block, []byte(armour)) {
			continue
		}
		keys, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(block))
		if err != nil {
			return fmt.Errorf("an OpenPGP key cannot be read: %w", err)
		}
		for _, k := range keys {
			if k.PrivateKey != nil {
				return errors.New("a private key stands here where only public keys may stand: `gpg --armor --export` writes them")
			}
			s.take(k)
		}
	}
	return nil
}

// take adds a key. Of two copies of one, what is newer counts, and what either of them revokes is revoked, as gpg has it.
func (s *Signers) take(k *openpgp.Entity) {
	for i, e := range s.pgp {
		if !bytes.Equal(e.PrimaryKey.Fingerprint, k.PrimaryKey.Fingerprint) {
			continue
		}
		newer, older := e, k
		if signedAt(k).After(signedAt(e)) {
			newer, older = k, e
		}
		newer.Revocations = append(newer.Revocations, older.Revocations...)
		for name, id := range older.Identities {
			if same := newer.Identities[name]; same != nil {
				same.Revocations = append(same.Revocations, id.Revocations...)
			}
		}
		for _, sub := range older.Subkeys {
			for j := range newer.Subkeys {
				if same := &newer.Subkeys[j]; bytes.Equal(same.PublicKey.Fingerprint, sub.PublicKey.Fingerprint) {
					same.Revocations = append(same.Revocations, sub.Revocations...)
				}
			}
		}
		s.pgp[i] = newer
		return
	}
	s.pgp = append(s.pgp, k)
}

// signedAt is when what a key says of itself was said.
func signedAt(k *openpgp.Entity) time.Time {
	if sig, _ := k.PrimarySelfSignature(); sig != nil {
		return sig.CreationTime
	}
	return time.Time{}
}

func (s *Signers) addSSH(data []byte) error {
	found := 0
	for lines, n := bufio.NewScanner(bytes.NewReader(data)), 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		one, err := parseLine(line)
		if errors.Is(err, errAuthority) { // who is certified does not count; the others do
			s.authorities++
			continue
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
		s.ssh = append(s.ssh, one)
		found++
	}
	if found == 0 && s.authorities > 0 {
		return errors.New("all its lines are of certificate authorities, and certificates are not supported: list the keys of those who sign")
	}
	if found == 0 {
		return errors.New("it holds neither an OpenPGP key in armour nor a line of allowed_signers")
	}
	return nil
}

var errAuthority = errors.New("the line is of a certificate authority")

// parseLine reads principals, options, and a key as in authorized_keys.
func parseLine(line string) (allowed, error) {
	var a allowed
	end := strings.IndexAny(line, " \t")
	if end < 0 || strings.HasPrefix(line, `"`) {
		return a, errors.New("it must be: PRINCIPAL [OPTIONS] KEY")
	}
	a.principals = line[:end]
	key, _, options, _, err := ssh.ParseAuthorizedKey([]byte(strings.TrimSpace(line[end:])))
	if err != nil {
		return a, errors.New("its key cannot be read")
	}
	a.key = key
	for _, o := range options {
		name, value, _ := strings.Cut(o, "=")
		value = strings.Trim(value, `"`)
		switch strings.ToLower(name) {
		case "namespaces":
			a.namespaces = strings.Split(value, ",")
		case "valid-after":
			a.after, err = parseTime(value)
		case "valid-before":
			a.before, err = parseTime(value)
		case "cert-authority":
			return a, errAuthority
		default: // an option that limits a key is not passed over
			return a, fmt.Errorf("the option %s is not supported", name)
		}
		if err != nil {
			return a, fmt.Errorf("%s: %w", name, err)
		}
	}
	return a, nil
}

// parseTime reads YYYYMMDD[HHMM[SS]][Z], which is local without Z.
func parseTime(text string) (time.Time, error) {
	digits, zone := strings.TrimSuffix(text, "Z"), time.Local
	if digits != text {
		zone = time.UTC
	}
	for _, layout := range []string{"20060102", "200601021504", "20060102150405"} {
		if len(layout) == len(digits) {
			return time.ParseInLocation(layout, digits, zone)
		}
	}
	return time.Time{}, errors.New("must be YYYYMMDD, YYYYMMDDHHMM or YYYYMMDDHHMMSS, and Z for UTC")
}
