package live

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"meshrotate/providers/site"
	"meshrotate/providers/winhost"
	"meshrotate/reconciler"
)

// signatures is the family of who has signed files.
func signatures(f *family) {
	f.reading(looking(func(q *questions, r site.Signatures) {
		q.ask(winhost.SignaturesRead{Folder: r.Folder, Suffix: r.Suffix}, r.Key())
	}, readSignatures))
	f.op(doing(func(_ context.Context, _ *host, o site.ProveUnused) ([]winhost.Op, error) {
		return one(winhost.SignaturesRead{Folder: o.Folder, Suffix: o.Suffix})
	}, proveUnused))
}

func readSignatures(_ context.Context, q *questions, r site.Signatures) (reconciler.Result, error) {
	res, err := q.result(r.Key())
	if res.Win32 != 0 { // an answer of its own: the host can be looked at, and this folder cannot
		return &site.SignaturesSeen{Folder: r.Folder, Error: res.Win32}, nil
	}
	if err != nil || res.Signatures == nil {
		return nil, known(err, "no signatures in "+r.Folder)
	}
	seen := &site.SignaturesSeen{Folder: r.Folder, Exists: res.Signatures.Exists, Below: res.Signatures.Below}
	for _, f := range res.Signatures.Files {
		s := site.SignedFile{Name: f.Name, Error: f.Error}
		if f.Error == 0 {
			s.Trust, s.Error = trustOf(f)
			s.Signers = q.host.site.signersOf(f)
		}
		seen.Files = append(seen.Files, s)
	}
	return seen, nil
}

// signersOf are a file's, each list once however many hosts have the file.
func (m *memory) signersOf(f winhost.SignedFile) []site.Signer {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known, ok := m.signers[f.SHA256]; ok {
		return known
	}
	var all []site.Signer
	for _, g := range f.Signers {
		all = append(all, site.Signer(g))
	}
	m.signers[f.SHA256] = all
	return all
}

// trusts are what is known of WinVerifyTrust's answers.
var trusts = map[uint32]site.Trust{
	winhost.TrustValid: site.Valid, winhost.TrustTampered: site.Tampered, winhost.TrustUnsigned: site.Unsigned, winhost.TrustNoSubject: site.Unsigned,
	winhost.TrustExpired: site.Expired, winhost.TrustRoot: site.Untrusted, winhost.TrustChain: site.Untrusted,
}

// trustOf is what the host makes of a signature. One that it takes for valid and that nobody can be found in is none.
func trustOf(f winhost.SignedFile) (site.Trust, uint32) {
	t, ok := trusts[f.Trust]
	switch {
	case !ok:
		return "", f.Trust
	case len(f.Signers) == 0 && t != site.Unsigned:
		return "", 13 // ERROR_INVALID_DATA
	}
	return t, 0
}

func proveUnused(_ context.Context, h *host, o site.ProveUnused, d deed) reconciler.Report {
	s := d.results[0].Signatures
	if o.Bare && s != nil && s.Below == "" && len(s.Files) == 0 {
		return done("no *" + o.Suffix + " on " + crowd(o.Who))
	}
	if s == nil || !s.Exists {
		return h.unproven("the folder %s is not there: what is signed with %s is not known", o.Folder, o.What)
	}
	if s.Below != "" || len(s.Files) == 0 {
		return h.unproven("%s has no *%s in it, or some in folders below: what is signed with %s is not known", o.Folder, o.Suffix, o.What)
	}
	for _, f := range s.Files {
		if f.Error != 0 {
			return h.unproven("%s in %s could not be read (Windows error %d)", f.Name, o.Folder, f.Error)
		}
		for _, g := range f.Signers {
			used := slices.ContainsFunc(o.Certificates, func(digits string) bool {
				return strings.HasPrefix(g.SHA1, digits) || strings.HasPrefix(g.SHA256, digits)
			})
			if used && !slices.Contains(o.Spared, g.SHA1) {
				r := h.unproven("%s is signed with %s", f.Name, o.What)
				r.Err = reconciler.Hinted(r.Err, "somebody has deployed it since the plan: deploy one that is signed anew, then apply again")
				return r
			}
		}
	}
	return done(fmt.Sprintf("nothing is signed with %s on %s", o.What, crowd(o.Who)))
}
