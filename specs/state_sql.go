package specs

// StateSQL is the database that keeps the state instead of a folder, so that several machines share it.
type StateSQL struct {
	// Server is the instance, or the listener of an availability group: host, host\\instance or host,port. Left out: the one of
	// connect.sql, with its login and what it trusts; then nothing of these may be given here.
	Server string `json:"server,omitempty" jsonschema:"minLength=1,example=sql02.contoso.example" trust:"host"`
	// Database holds the tables. It is better not the product's, which is restored for other reasons.
	Database string `json:"database,omitempty" jsonschema:"minLength=1,default=meshrotate" trust:"state"`
	// Schema is the tables'. Each deployment has its own.
	Schema string `json:"schema,omitempty" jsonschema:"pattern=^[A-Za-z_][A-Za-z0-9_]*$,maxLength=100,default=meshrotate" trust:"state"`
	// Auth is how meshrotate proves who it is, as in connect.sql.
	Auth string `json:"auth,omitempty" jsonschema:"enum=sql,enum=ntlm,enum=kerberos,enum=entra,default=sql" trust:"signIn"`
	// User is meshrotate's own login: a member of the role SCHEMA_runner, or one that may create the schema.
	User string `json:"user,omitempty" jsonschema:"minLength=1" trust:"signIn"`
	// Password says where User's password comes from.
	Password *Source `json:"password,omitempty" trust:"credential"`
	// Kerberos says where tickets come from, for auth: kerberos. Left out: as for WinRM.
	Kerberos *Kerberos `json:"kerberos,omitempty"`
	// Entra says as which application, for auth: entra.
	Entra *Entra `json:"entra,omitempty"`
	// CAFile is a PEM file with the certificate authorities to trust instead of the system's.
	CAFile string `json:"caFile,omitempty" jsonschema:"minLength=1" trust:"file"`
	// PinFile is a PEM file with the server's certificate: this one and no other is trusted.
	PinFile string `json:"pinFile,omitempty" jsonschema:"minLength=1" trust:"file"`
	// CertificateName is the name in the server's certificate. Left out: the server's.
	CertificateName string `json:"certificateName,omitempty" jsonschema:"minLength=1" trust:"signIn"`
	// Strict demands TDS 8.0 (SQL Server 2022), which encrypts from the first byte on.
	Strict bool `json:"strict,omitempty" trust:"signIn"`
	// Addresses are where to dial instead of a server's name, by the host in it: host or host:port.
	Addresses map[string]string `json:"addresses,omitempty" trust:"host"`
}

// StateServer is how the state's database is signed in to; ok is false when the state is a folder.
func (d *Deployment) StateServer() (q SQL, ok bool) {
	s := d.State.SQL
	if s == nil {
		return SQL{}, false
	}
	q = SQL{Server: s.Server, Auth: s.Auth, Kerberos: s.Kerberos, Entra: s.Entra, User: s.User, Password: s.Password, CAFile: s.CAFile, PinFile: s.PinFile, CertificateName: s.CertificateName,
		Strict: s.Strict, Addresses: s.Addresses}
	if s.Server == "" {
		q = d.Connect.SQL
	}
	q.Database = s.Database
	return q, true
}

// checkStateSQL looks at state.sql as it was written.
func (r *reader) checkStateSQL(d *Deployment) {
	path := []string{"state", "sql"}
	s := d.State.SQL
	if s == nil || r.isBroken(path...) || r.isBroken("connect", "sql") {
		return
	}
	if d.State.Dir != "" {
		r.at([]string{"state", "dir"}, "the state is in a database: it has no folder", "leave out dir or sql")
	}
	switch own := s.Auth != "" && s.Auth != "sql" || s.Kerberos != nil || s.Entra != nil || s.User != "" || s.Password != nil || s.CAFile != "" || s.PinFile != "" || s.CertificateName != "" || s.Strict || s.Addresses != nil; {
	case s.Server != "":
		q, _ := d.StateServer()
		r.checkSQLServer(q, path)
	case own:
		r.at(append(path, "server"), "is missing", "name it, or leave out how to sign in: then it is connect.sql's")
	case d.Connect.SQL.Server == "":
		r.at(append(path, "server"), "is missing, and there is no connect.sql", "sql02.contoso.example")
	}
}
