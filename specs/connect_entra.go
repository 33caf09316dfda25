package specs

// Entra says as which application of Microsoft Entra meshrotate signs in to SQL Server, for auth: entra.
type Entra struct {
	Application `json:",inline"`
	// Scope is what the tokens are for; national clouds have another.
	Scope string `json:"scope,omitempty" jsonschema:"minLength=1,default=https://database.windows.net/.default" trust:"signIn"`
}

// Application is one of Microsoft Entra: a service principal with one of secret, certificate and assertion, or a managed identity.
type Application struct {
	// Tenant is the directory's id or one of its domains. A managed identity has it itself.
	Tenant string `json:"tenant,omitempty" jsonschema:"minLength=1,example=contoso.example" trust:"signIn"`
	// ClientID is the application's id. With managed it names one of the machine's identities; left out: the machine's own.
	ClientID string `json:"clientId,omitempty" jsonschema:"minLength=1" trust:"signIn"`
	// Secret says where the application's secret comes from.
	Secret *Source `json:"secret,omitempty" trust:"credential"`
	// Certificate says where the application's certificate comes from, with its key: PEM.
	Certificate *Source `json:"certificate,omitempty" trust:"credential"`
	// Assertion says where the token of another issuer comes from, which the application trusts: workload identity. It is read
	// whenever a token is asked for.
	Assertion *Source `json:"assertion,omitempty" trust:"credential"`
	// Managed: the managed identity of the machine that meshrotate runs on.
	Managed bool `json:"managed,omitempty" trust:"signIn"`
	// Authority is where a service principal gets its tokens, https.
	Authority string `json:"authority,omitempty" jsonschema:"minLength=1,default=https://login.microsoftonline.com" trust:"url"`
}

// Who names the application for people.
func (e *Application) Who() string {
	switch {
	case e.Managed && e.ClientID == "":
		return "the managed identity of this machine"
	case e.Managed:
		return e.ClientID
	}
	return e.ClientID + "@" + e.Tenant
}

func (e *Application) fillDefaults() { orText(&e.Authority, "https://login.microsoftonline.com") }

func (e *Entra) fillDefaults() {
	if e != nil {
		e.Application.fillDefaults()
		orText(&e.Scope, "https://database.windows.net/.default")
	}
}

// checkEntra looks at a sign-in as it was written.
func (r *reader) checkEntra(q SQL, path []string) {
	e := q.Entra
	switch {
	case q.Auth != "entra" && e != nil:
		r.at(append(path, "entra"), "is for auth: entra", "write auth: entra, or leave it out")
		return
	case q.Auth != "entra":
		return
	case e == nil:
		r.at(path, "auth: entra needs entra", "write entra: {tenant: T, clientId: ID, secret: {env: NAME}}, or entra: {managed: true}")
		return
	}
	r.checkApplication(&e.Application, append(path, "entra"))
}

func (r *reader) checkApplication(e *Application, path []string) {
	if !exactlyOne(e.Secret != nil, e.Certificate != nil, e.Assertion != nil, e.Managed) {
		r.at(path, "one of secret, certificate, assertion and managed is needed, and no other", "")
	}
	if !e.Managed && (e.Tenant == "" || e.ClientID == "") {
		r.at(path, "tenant and clientId are needed", "write entra: {tenant: T, clientId: ID, …}")
	}
	if e.Managed && e.Tenant != "" {
		r.at(under(path, "tenant"), "a managed identity has its tenant itself", "leave it out")
	}
	if e.Authority != "" {
		r.checkURL(e.Authority, under(path, "authority")...)
	}
}
