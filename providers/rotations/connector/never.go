package connector

import "meshrotate/specs"

// never are what the runbook counts among the secrets, or beside them, and says cannot be rotated.
var never = []specs.Never{
	{Keys: []string{"dpapi", "dpapiKey", "dpapiKeys", "dpapiMasterKey", "dpapiMasterKeys", "dataProtection", "machineKey"},
		Why:  "DPAPI's master keys are tied to the Windows profile or the machine, and are not rotated: if one is compromised, so is its host",
		Hint: "put Engine on a clean host: with secrets.connectors declared, apply sets every connector's secret there again"},
	{Keys: []string{"efMigrations", "efMigrationHistory", "efMigrationsHistory", "efCoreMigrations", "efCoreMigrationHistory", "migrationHistory", "migrations"},
		Why:  "EF Core's migration history is no secret: the schema is the schema, and nothing in it can be rotated",
		Hint: "leave it out; upgrades of the product write it"},
	{Keys: []string{"jwt", "jwtKey", "jwtKeys", "jwtIssuer", "jwtIssuers", "jwtIssuerKey", "jwtIssuerKeys", "jwtSigningKey", "jwtSigningKeys", "jwtIssuerSigningKeys", "jwtBearer", "issuerKeys"},
		Why:  "the signing keys of JWT issuers belong to the identity provider (Entra, Okta), which rotates them itself; the product takes them up with its metadata, within 24 hours",
		Hint: "leave it out; there is nothing to do here"},
}
