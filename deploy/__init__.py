"""How the platform is run: images, migrations, the embedded stack."""
