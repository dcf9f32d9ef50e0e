/* global SwaggerUIBundle */
async function show() {
  const answer = await fetch('/api/openapi.json')
  if (!answer.ok) throw new Error(`The gateway answered ${answer.status}.`)
  const spec = await answer.json()
  // Requests go to where this page came from, whatever others call the gateway.
  spec.servers = [{ url: location.origin }]
  SwaggerUIBundle({
    spec,
    dom_id: '#docs',
    deepLinking: true,
    docExpansion: 'list',
    filter: true,
    tryItOutEnabled: true,
    displayRequestDuration: true,
    defaultModelsExpandDepth: 0,
    defaultModelExpandDepth: 3,
    // A key stays in this page: it is gone when the page is.
    persistAuthorization: false,
    validatorUrl: null,
  })
}

show().catch((error) => {
  const told = document.querySelector('.loading')
  if (told) told.textContent = `The document could not be loaded. ${error.message}`
})
