package cli

import (
	"io"

	"github.com/spf13/cobra"

	"meshrotate/specs"
	"meshrotate/state/mssql"
)

func (p *program) schema() *cobra.Command {
	script := ""
	cmd := &cobra.Command{
		Use:   "schema",
		Short: "Print the document's JSON Schema, for editors",
		Long: `Print the JSON Schema (2020-12) of the document. Editors complete and check
against it.

It is JSON in every format.

--sql prints the script that makes the tables of a state in SQL Server, for the
database's administrator.`,
		Example: `  meshrotate schema > meshrotate.schema.json

  # and as the first line of the document:
  # yaml-language-server: $schema=meshrotate.schema.json

  meshrotate schema --sql > meshrotate.sql
  meshrotate schema --sql=contoso         for state: {sql: {schema: contoso}}`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			if script != "" {
				text, err := mssql.Script(script)
				if err == nil {
					_, err = io.WriteString(p.io.Out, text)
				}
				return err
			}
			text := p.app.Schema
			if text == nil {
				text = specs.Schema()
			}
			_, err := p.io.Out.Write(text)
			return err
		},
	}
	cmd.Flags().StringVar(&script, "sql", "", "print the script for the tables in this schema of SQL Server instead")
	cmd.Flags().Lookup("sql").NoOptDefVal = mssql.DefaultSchema
	return cmd
}
