package cli

import (
	"github.com/spf13/cobra"

	"meshrotate/specs"
)

func (p *program) schema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the document's JSON Schema, for editors",
		Long: `Print the JSON Schema (2020-12) of the document. Editors complete and check
against it.

It is JSON in every format.`,
		Example: `  meshrotate schema > meshrotate.schema.json

  # and as the first line of the document:
  # yaml-language-server: $schema=meshrotate.schema.json`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error {
			text := p.app.Schema
			if text == nil {
				text = specs.Schema()
			}
			_, err := p.io.Out.Write(text)
			return err
		},
	}
}
