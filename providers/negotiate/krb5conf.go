package negotiate

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/jcmturner/gokrb5/v8/client"
	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/credentials"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/keytab"

	"meshrotate/state/durable"
)

const defaultFile = "/etc/krb5.conf"

// open makes the library's client from whichever credential there is.
func (c KerberosConfig) open() (cl *client.Client, err error) {
	defer func() {
		if recover() != nil { // the library indexes into files without looking at their length
			cl, err = nil, errors.New("the ticket cache, keytab or krb5.conf is damaged")
		}
	}()
	sources := 0
	for _, set := range []bool{c.Cache != "", c.Keytab != "", !c.Password.IsZero()} {
		if set {
			sources++
		}
	}
	if sources != 1 {
		return nil, errors.New("exactly one of ticket cache, keytab and password is needed")
	}
	conf, err := c.load()
	if err != nil {
		return nil, err
	}
	switch {
	case c.Cache != "":
		return c.fromCache(conf)
	case c.Keytab != "":
		return c.fromKeytab(conf)
	}
	user, realm := c.principal(conf)
	if user == "" || realm == "" {
		return nil, errors.New("a user and a realm are needed")
	}
	lookUpWhereUnlisted(conf, realm)
	return client.NewWithPassword(user, realm, string(c.Password.Expose()), conf), nil
}

// maxKerberosFile is in bytes. A configuration, a cache and a keytab have some thousand.
const maxKerberosFile = 4 << 20

func (c KerberosConfig) fromCache(conf *config.Config) (*client.Client, error) {
	path := strings.TrimPrefix(c.Cache, "FILE:")
	if kind, _, found := strings.Cut(path, ":"); found && len(kind) > 1 { // one letter is a Windows drive
		return nil, fmt.Errorf("a ticket cache of type %s cannot be read; use a file (kinit -c FILE:path)", kind)
	}
	text, err := durable.ReadFile(path, maxKerberosFile)
	if err != nil {
		return nil, fmt.Errorf("ticket cache: %w", err)
	}
	cache := &credentials.CCache{Path: path}
	if err := cache.Unmarshal(text); err != nil {
		return nil, fmt.Errorf("ticket cache %s: %w", path, err)
	}
	lookUpWhereUnlisted(conf, cache.DefaultPrincipal.Realm)
	cl, err := client.NewFromCCache(cache, conf)
	if err != nil {
		return nil, fmt.Errorf("ticket cache %s: %w", path, err)
	}
	return cl, nil
}

func (c KerberosConfig) fromKeytab(conf *config.Config) (*client.Client, error) {
	text, err := durable.ReadFile(c.Keytab, maxKerberosFile)
	if err != nil {
		return nil, fmt.Errorf("keytab: %w", err)
	}
	keys := keytab.New()
	if err := keys.Unmarshal(text); err != nil {
		return nil, fmt.Errorf("keytab %s: %w", c.Keytab, err)
	}
	user, realm := c.principal(conf)
	if user == "" && len(keys.Entries) > 0 {
		first := keys.Entries[0].Principal
		user, realm = strings.Join(first.Components, "/"), first.Realm
	}
	if user == "" || realm == "" {
		return nil, fmt.Errorf("keytab %s: a user and a realm are needed", c.Keytab)
	}
	lookUpWhereUnlisted(conf, realm)
	return client.NewWithKeytab(user, realm, keys, conf), nil
}

// principal splits the user. Active Directory's realms are upper case; a DOMAIN without a dot is a NetBIOS name,
// which is no realm.
func (c KerberosConfig) principal(conf *config.Config) (user, realm string) {
	user, realm = c.User, conf.LibDefaults.DefaultRealm
	if domain, name, ok := strings.Cut(c.User, `\`); ok {
		user = name
		if strings.Contains(domain, ".") {
			realm = strings.ToUpper(domain)
		}
	} else if at := strings.LastIndex(c.User, "@"); at >= 0 {
		user, realm = c.User[:at], strings.ToUpper(c.User[at+1:])
	}
	if c.Realm != "" {
		realm = c.Realm
	}
	return user, realm
}

var namesPreauth = regexp.MustCompile(`(?im)^\s*preferred_preauth_types\s*=`)

// load reads krb5.conf and mends two defaults of the library. It would encrypt the pre-authentication with the first
// of "17, 16, 15, 14", which are MIT's pre-authentication types and not encryption types: 17 happens to be AES-128,
// for which a keytab may have no key, so AES-256 (18) is set. And it would not ask DNS for KDCs.
func (c KerberosConfig) load() (*config.Config, error) {
	path := c.File
	if path == "" {
		path = defaultFile
	}
	text, err := durable.ReadFile(path, maxKerberosFile)
	if errors.Is(err, fs.ErrNotExist) && c.File == "" {
		text, err = nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("krb5.conf: %w", err)
	}
	conf, err := config.NewFromString(string(text))
	if err != nil && !errors.As(err, new(config.UnsupportedDirective)) {
		return nil, fmt.Errorf("krb5.conf %s: %w", path, err)
	}
	if !namesPreauth.Match(text) {
		conf.LibDefaults.PreferredPreauthTypes = []int{int(etypeID.AES256_CTS_HMAC_SHA1_96)}
	}
	if c.Realm != "" {
		conf.LibDefaults.DefaultRealm = c.Realm
	}
	return conf, nil
}

// lookUpWhereUnlisted asks DNS for the realm's KDCs (RFC 4120, section 7.2.3.2) when the file names none, as MIT's
// library does by default.
func lookUpWhereUnlisted(conf *config.Config, realm string) {
	listed := slices.ContainsFunc(conf.Realms, func(r config.Realm) bool { return r.Realm == realm && len(r.KDC) > 0 })
	if !listed {
		conf.LibDefaults.DNSLookupKDC = true
	}
}
