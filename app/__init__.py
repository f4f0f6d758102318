"""The Streamlit app: predictions for the restaurant, reports and history for its engineer.

    main.py            the way in: navigation, login
    views/             what a person sees, one file per page; Streamlit runs them as scripts
    *.py beside it     what the pages show, as plain functions without Streamlit

Everything about data is the platform's own: contract, settings, registry, storage, metric store.
The folder is not called `pages`: Streamlit runs what lies there by its address alone, without
`main.py`, and so without the login.
"""
